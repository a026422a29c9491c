"""Every public function, every argument, every kind of wrong value: the error names it."""

import inspect
import re
import types

import pytest

import keras_reinit as kr
from tests.refused import CALLS, OTHERS


def public(module=kr, prefix=""):
    """{dotted name: function or class} of what users reach through `__all__`."""
    found = {}
    for name in module.__all__:
        value = getattr(module, name)
        if isinstance(value, types.ModuleType):
            found |= public(value, f"{prefix}{name}.")
        elif callable(value):
            found[prefix + name] = value
    return found


def same(callable_, known):
    """Whether something stands under another name already, as `training.ShrinkPerturb` does."""
    return any(callable_ is each for each in known)


def test_every_public_name_is_in_the_table():
    names = public()
    listed = [names[name] for name in {*CALLS, *OTHERS} if name in names]
    assert {name for name, value in names.items() if not same(value, listed)} == set()
    assert {*CALLS, *OTHERS} <= set(names)


def test_every_argument_is_in_the_table():
    """But for names, data, initializers and what Keras takes itself."""
    plain = {"name", "data", "sample", "activation", "kernel_initializer", "layers", "patterns"}
    plain |= {"evaluation"} | {
        "recompute",
        "block",
        "devices",
        "address",
        "x",
        "y",
        "kwargs",
        "options",
        "arguments",
    }
    missing = {
        f"{name}({argument})"
        for name, (_, refused) in CALLS.items()
        for argument in inspect.signature(public()[name]).parameters
        if argument not in refused and argument not in plain
    }
    shared = {"input_shape", "where", "rescale", "normalize", "reinitialize", "reset_optimizer"}
    assert {each for each in missing if each.split("(")[1][:-1] not in shared | {"model"}} == set()


ON_TENSORFLOW = pytest.mark.backends("tensorflow", reason="gradient tapes")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=ON_TENSORFLOW if "hessian" in name else ()) for name in CALLS],
)
def test_a_bad_argument_is_named(name):
    function, (make, refused) = public()[name], CALLS[name]
    right = make()
    unnamed = []
    for argument, values in refused.items():
        for value in values:
            try:
                function(**{**right, argument: value})
                unnamed.append(f"{argument}={value!r} was taken")
            except (TypeError, ValueError, RuntimeError) as error:
                words = str(error)
                if not re.search(rf"`{argument}\b|\b{argument}[=\[]|Received: {argument}\b", words):
                    unnamed.append(f"{argument}={value!r}: {type(error).__name__}: {words[:120]}")
            except Exception as error:
                unnamed.append(f"{argument}={value!r}: {type(error).__name__}: {error}")
    assert unnamed == []
