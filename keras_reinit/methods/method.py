"""What a method is: a value that checks a model, and changes its weights."""

import abc
import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import keras

from keras_reinit.core import resolve_seed
from keras_reinit.keras_private import without_tensorflow
from keras_reinit.model import ReinitModel
from keras_reinit.weights.fresh import FreshValues
from keras_reinit.weights.norms import check_finite
from keras_reinit.weights.select import list_weights

Patterns = str | Sequence[str] | None


@dataclasses.dataclass(frozen=True)
class Context:
    """What a method may need beside the model.

    Attributes:
        seed: int, of this time: another one in every round or stage.
        round: int, of the round or stage that begins, from 0.
        training_seed: int, of the whole training: the same in every round; None for `seed`.
        data: what the caller gave: inputs, a pair `(x, y)`, a data set, or None.
        optimizer: of the model, or None.
    """

    seed: int
    round: int = 0
    training_seed: int | None = None
    data: Any = None
    optimizer: Any = None


@dataclasses.dataclass(frozen=True)
class Method(abc.ABC):
    """A way to re-initialise a part of a network, as a value.

    A method of your own is a frozen dataclass with `apply`, and `check` where it cannot work on
    every model. It then serves in `keras_reinit.apply`, `keras_reinit.callbacks.Reinit`,
    `keras_reinit.training.WarmStart` and `keras_reinit.tuner.ReinitHyperModel` alike. Its fields
    are plain numbers, strings and lists of them, so that it can be written into a file.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Halve(Method):
        ...     where: Patterns = None
        ...
        ...     def apply(self, model, context):
        ...         variables = kr.select(model, self.where).values()
        ...         for variable in variables:
        ...             variable.assign(variable * 0.5)
        ...         return sum(math.prod(variable.shape) for variable in variables)
    """

    needs_targets: ClassVar[bool] = False  # whether they are `(x, y)`, and not inputs alone
    acts_first: ClassVar[bool] = False  # whether the first round begins with the method, too

    @property
    def needs_data(self):
        """An example of what `data` has to be, in words; None where the method needs none."""
        return None

    def check(self, model):  # noqa: B027 (most of a user's own methods work on every model)
        """Refuse a model that this method cannot work on, before anything is trained.

        Args:
            model: a built `keras.Model`.

        Raises:
            ValueError: if so; nothing is changed by a check.
        """

    @abc.abstractmethod
    def apply(self, model, context):
        """Change the weights in place: all is checked, then assigned.

        Args:
            model: a built `keras.Model` that `check` has accepted, its weights finite.
            context: a `Context`.

        Returns:
            The number of entries changed, an int.
        """

    def rounds(self, model):
        """How many rounds a training has where its caller does not say."""
        if isinstance(model, ReinitModel):
            return len(model.blocks)
        raise ValueError(
            "The number of rounds follows from the blocks of a ReinitModel. Received: a model of "
            f"{type(model)} and rounds=None. Expected `rounds`, or a ReinitModel"
        )

    def logs(self, index):
        """More numbers for the logs of each epoch of a round: a dict {name: number}."""
        return {}

    def get_config(self):
        """The fields, as the constructor takes them: a dict."""
        return {
            field.name: _plain(getattr(self, field.name))
            for field in dataclasses.fields(self)
            if field.init
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def _plain(value):
    return list(value) if isinstance(value, tuple) else value


def check_method(method):
    """Refuse what is no method.

    Raises:
        TypeError: if so.
    """
    if not isinstance(method, Method):
        hint = " (make one of the class: call it)" if isinstance(method, type) else ""
        raise TypeError(
            "A method is a value of keras_reinit.methods, such as ShrinkPerturb(0.4, 0.1), or of "
            f"a subclass of Method. Received: method={method!r}{hint}"
        )


def check_usable(method, model, data, name="data"):
    """Refuse a method that lacks data, or a model that it cannot work on; change nothing.

    Args:
        method: a method.
        model: a built `keras.Model`.
        data: what the method is to measure the network on, or None.
        name: of the argument that the caller gives the data by.

    Raises:
        TypeError: if it is no method.
        ValueError: if it cannot work here.
    """
    check_method(method)
    check_trainable(model)
    if method.needs_data is not None and data is None:
        raise ValueError(
            f"{type(method).__name__} measures the network on data. Received: {name}=None (a "
            f"revived or copied config has none). Expected e.g. {name}={method.needs_data}"
        )
    method.check(model)


def check_trainable(model):
    """Refuse a model without a trainable variable: nothing could be changed, and none is trained.

    Raises:
        TypeError, ValueError: if it is no built model, or has none.
    """
    list_weights(model)
    if not model.trainable_variables:
        raise ValueError(
            f"Model '{model.name}' has no trainable variable. Received: a model all of whose "
            "layers are frozen. Expected `trainable = True` for some, before `compile`"
        )


def check_drawable(weights):
    """Refuse weights of a layer that cannot give a fresh draw, by the layer's name.

    Args:
        weights: list of `Weight`.

    Raises:
        ValueError: if so.
    """
    FreshValues(weights)


def serialize(method):
    """A method as a dict for a config."""
    with without_tensorflow():
        return keras.saving.serialize_keras_object(method)


def apply(model, method, data=None, seed=None):
    """Apply a method to a model, once.

    The optimizer is left alone: see `keras_reinit.reset_optimizer`.

    Args:
        model: a built `keras.Model`.
        method: a value of `keras_reinit.methods`.
        data: what the method measures the network on, where it needs it: inputs, or `(x, y)`.
        seed: int, or None to draw one. The same seed gives the same weights.

    Returns:
        The number of entries changed, an int.

    Raises:
        TypeError: if `method` is no method, or `seed` no int.
        ValueError: if the method cannot work on this model, lacks data, or a weight is not finite.
            Nothing is assigned then.

    Example:
        >>> kr.apply(model, kr.methods.ShrinkPerturb(0.4, 0.1), seed=day)
        >>> kr.reset_optimizer(model.optimizer)
    """
    check_usable(method, model, data)
    check_finite(list_weights(model))
    seed = resolve_seed(seed)
    return method.apply(
        model, Context(seed, data=data, optimizer=getattr(model, "optimizer", None))
    )
