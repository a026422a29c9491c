"""The shape of the project: rooms, public names, and what a method must bring with it."""

import ast
import graphlib
import inspect
import os
import subprocess
import sys
import types
from pathlib import Path

import keras_reinit as kr
from tests.settings import METHODS, all_methods

ROOT = Path(__file__).parents[1]
CARDS = sorted((ROOT / "docs" / "methods").glob("*.md"))
MAX_LINES, MAX_LINES_OF_A_CLASS = 450, 200

# The rooms of the package from the ground up. A module imports from its own floor and from below.
FLOORS = (
    ("core", "keras_private"),
    ("distribution", "layers", "rounds"),
    ("structure",),
    ("gradients", "weights"),
    ("model",),
    ("methods",),
    ("backbones", "callbacks", "initializers"),
    ("analysis", "training", "tuner"),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

# Those of the experiments, likewise. Each paper is a room of its own.
EXPERIMENT_FLOORS = (
    ("engine",),
    ("data", "report", "training"),
    ("papers",),
    ("commands",),
    ("__main__",),
)
EXPERIMENT_FLOOR = {room: floor for floor, rooms in enumerate(EXPERIMENT_FLOORS) for room in rooms}

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


def experiment_arrows():
    """(room, room) of every import in the experiments that leads from one room to another."""
    for path in sources("experiments"):
        for name in imported(path, ast.walk(ast.parse(path.read_text()))):
            if name.startswith("experiments."):
                start, end = experiment_room(dotted(path)), experiment_room(name)
                if start != end:
                    yield start, end


def experiment_room(name):
    """The room of a dotted name in the experiments: "engine", "papers.ash2020"."""
    parts = name.split(".")[1:]
    return ".".join(parts[: 2 if parts[0] == "papers" else 1])


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


def test_arrows_of_the_experiments_point_downward():
    """From one paper to another would be an arrow on the same floor."""
    floors = [
        (start, end, EXPERIMENT_FLOOR[start.split(".")[0]], EXPERIMENT_FLOOR[end.split(".")[0]])
        for start, end in experiment_arrows()
    ]
    assert [(start, end) for start, end, above, below in floors if below > above] == []
    papers = [(start, end) for start, end in experiment_arrows() if start.startswith("papers.")]
    assert [(start, end) for start, end in papers if end.startswith("papers.")] == []
    graph: dict = {}
    for start, end in experiment_arrows():
        graph.setdefault(start, set()).add(end)
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


def test_classes_stay_short():
    lines = {
        f"{dotted(path)}.{node.name}": node.end_lineno - node.lineno + 1
        for path in sources("keras_reinit")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    }
    assert {name: n for name, n in lines.items() if n > MAX_LINES_OF_A_CLASS} == {}


def test_the_private_side_of_keras_is_touched_in_one_file():
    of_named_tuples = {"_asdict", "_fields", "_replace"}

    def private(node):
        if isinstance(node, ast.Attribute):
            is_own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            is_super = isinstance(node.value, ast.Call) and ast.unparse(node.value) == "super()"
            if node.attr.startswith("_") and not node.attr.startswith("__"):
                return not (is_own or is_super or node.attr in of_named_tuples)
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if called in ("getattr", "hasattr", "setattr") and ast.unparse(node.args[0]) != "self":
            name = node.args[1].value if isinstance(node.args[1], ast.Constant) else ""
            return str(name).startswith("_") and not str(name).startswith(("__", "_keras_reinit"))
        return False

    touched = [
        f"{dotted(path)}: {ast.unparse(node)}"
        for path in sources("keras_reinit")
        if path.name != "keras_private.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if private(node)
    ]
    touched += [f"{m} imports {name}" for m, name in arrows() if name.startswith("keras.src")]
    assert [each for each in touched if "keras_private imports" not in each] == []


def test_the_letters_of_methods_are_listed_in_one_place():
    letters = set(kr.methods.METHODS)

    def constants(node):
        parts = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", ())
        return {part.value for part in parts if isinstance(part, ast.Constant)} & letters

    lists = [
        f"{dotted(path)}:{node.lineno}"
        for path in sources("keras_reinit", "experiments")
        if dotted(path) != "keras_reinit.methods.table"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Dict | ast.List | ast.Set | ast.Tuple) and len(constants(node)) > 3
    ]
    assert lists == []


def test_every_method_is_in_the_method_table():
    kinds = {
        value
        for value in vars(kr.methods).values()
        if inspect.isclass(value) and issubclass(value, kr.methods.Method)
    }
    assert kinds - {kr.methods.Method} == {row.kind for row in kr.methods.METHODS.values()}
    named = {row.callback for row in kr.methods.METHODS.values()} - {None}
    assert named | {"Backup", "Reinit", "get"} == set(kr.callbacks.__all__)


@all_methods
def test_letters_of_the_paper_find_the_method(setting):
    callback = setting.callback()
    assert type(callback.method) is setting.row.kind
    assert type(callback).__name__ == (setting.row.callback or "Reinit")
    assert kr.methods.get(setting.identifier) == setting.row.kind()


@all_methods
def test_every_method_takes_patterns(setting):
    assert "where" in inspect.signature(setting.row.kind).parameters
    if setting.row.callback:
        assert "where" in inspect.signature(type(setting.callback())).parameters


@all_methods
def test_every_method_has_one_card(setting):
    card = ROOT / "docs" / "methods" / f"{setting.row.card}.md"
    text = card.read_text()
    assert setting.row.kind.__name__ in text.splitlines()[0]
    assert [section for section in CARD_SECTIONS if section not in text] == []


def test_every_card_belongs_to_a_method():
    assert {card.stem for card in CARDS} == {setting.row.card for setting in METHODS}
