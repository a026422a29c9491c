"""The shape of the project: rooms, public names, and what a method must bring with it."""

import ast
import graphlib
import inspect
import os
import subprocess
import sys
import types
from pathlib import Path

import keras

import keras_reinit as kr
from tests.settings import METHODS, all_methods

ROOT = Path(__file__).parents[1]
CARDS = sorted((ROOT / "docs" / "methods").glob("*.md"))
MAX_LINES = 450

# The rooms of the package from the ground up. A module imports from its own floor and from below.
FLOORS = (
    ("core",),
    ("distribution", "layers", "rounds", "weights"),
    ("blocks", "model"),
    ("backbones", "callbacks", "initializers"),
    ("analysis", "training", "tuner"),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

NOT_METHODS = {"Backup"}
CARD_SECTIONS = (
    "## How to use",
    "## Suggested hyper-parameters",
    "## Technical details",
    "## Attribution",
)


def sources(*folders):
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def dotted(path):
    """The name of a module, with `__init__` for a package: "keras_reinit.core.masks"."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imported(path, nodes):
    """The absolute dotted names that import statements among `nodes` bring into a module."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = dotted(path).split(".")[: -node.level] if node.level else []
            origin = ".".join([*parents, *filter(None, [node.module])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def outside_functions(node):
    """The nodes that run when a module is imported."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from outside_functions(child)


def arrows():
    """(importing module, imported name) inside the package, but for its own `__init__`."""
    for path in sources("keras_reinit"):
        if path != ROOT / "keras_reinit" / "__init__.py":
            for name in imported(path, ast.walk(ast.parse(path.read_text()))):
                yield dotted(path), name


def room(name):
    """The room that a dotted name of the package lies in, or "" for the roof, `keras_reinit`."""
    return next((part for part in name.split(".")[1:2] if part in FLOOR), "")


def public_names(module):
    """(dotted name, object) of everything that a user can reach through `__all__`."""
    for name in module.__all__:
        value = getattr(module, name)
        yield f"{module.__name__}.{name}", value
        if isinstance(value, types.ModuleType):
            yield from public_names(value)


def methods():
    callbacks = (getattr(kr.callbacks, name) for name in set(kr.callbacks.__all__) - NOT_METHODS)
    return {
        value
        for value in callbacks
        if inspect.isclass(value) and issubclass(value, keras.callbacks.Callback)
    }


def test_every_room_has_a_floor():
    package = ROOT / "keras_reinit"
    rooms = {path.relative_to(package).with_suffix("").parts[0] for path in package.rglob("*.py")}
    assert rooms - {"__init__"} <= set(FLOOR)


def test_arrows_point_downward():
    upward = [
        f"{module} imports {name}"
        for module, name in arrows()
        if name.split(".")[0] == "keras_reinit"
        and (not room(name) or FLOOR[room(name)] > FLOOR[room(module)])
    ]
    assert upward == []


def test_rooms_do_not_import_each_other_in_a_circle():
    graph = {}
    for module, name in arrows():
        if name.split(".")[0] == "keras_reinit" and room(name) != room(module):
            graph.setdefault(room(module), set()).add(room(name))
    graphlib.TopologicalSorter(graph).prepare()  # raises on a circle


def test_the_package_stands_on_its_own():
    outside = {"experiments", "benchmarks", "tests"}
    assert [arrow for arrow in arrows() if arrow[1].split(".")[0] in outside] == []


def test_no_module_imports_tensorflow_when_imported():
    at_import = [
        f"{dotted(path)} imports {name}"
        for path in sources("keras_reinit")
        for name in imported(path, outside_functions(ast.parse(path.read_text())))
        if name.split(".")[0] == "tensorflow"
    ]
    assert at_import == []


def test_import_needs_neither_tensorflow_nor_an_extra():
    program = """
import builtins
import keras

plain_import = builtins.__import__

refused = ("tensorflow", "scipy", "sklearn", "matplotlib", "keras_tuner")

def refuse(name, namespace=None, *rest, **named):
    importer = (namespace or {}).get("__name__", "")
    if importer.startswith("keras_reinit") and name.startswith(refused):
        raise ModuleNotFoundError(f"{importer} imports {name}")
    return plain_import(name, namespace, *rest, **named)

builtins.__import__ = refuse
import keras_reinit
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_files_stay_short():
    folders = ("keras_reinit", "experiments", "benchmarks", "tests")
    lines = {dotted(path): path.read_text().count("\n") for path in sources(*folders)}
    assert {name: count for name, count in lines.items() if count > MAX_LINES} == {}


def test_public_names_are_documented():
    lacking = []
    for name, value in public_names(kr):
        text = value.__doc__ or ""
        if not text:
            lacking.append(f"{name}: docstring")
        if not callable(value) or "Attributes:" in text:  # a record, which users only receive
            continue
        if "Example:" not in text:
            lacking.append(f"{name}: Example")
        if inspect.signature(value).parameters and "Args:" not in text:
            lacking.append(f"{name}: Args")
    assert lacking == []


def test_every_method_is_in_the_method_table():
    assert {setting.method for setting in METHODS} == methods()


@all_methods
def test_letters_of_the_paper_find_the_method(setting):
    assert kr.callbacks.get(setting.letters) is setting.method


@all_methods
def test_every_method_has_one_card(setting):
    texts = [card.read_text() for card in CARDS]
    own = [text for text in texts if setting.method.__name__ in text.splitlines()[0]]
    assert len(own) == 1
    assert [section for section in CARD_SECTIONS if section not in own[0]] == []


def test_every_card_belongs_to_a_method():
    assert len(CARDS) == len(METHODS)
