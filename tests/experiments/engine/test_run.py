"""What all runs do in the same way."""

import dataclasses

import pytest

from experiments.engine.errors import UsageError
from experiments.engine.experiment import Context
from experiments.engine.rows import digest
from experiments.engine.run import Run, keep_network

BUILT = []


@keep_network
def network(width):
    BUILT.append(width)
    return [width]


@dataclasses.dataclass(frozen=True)
class Probe(Run):
    """Leaves something in its folder and in its network."""

    widths: tuple = (1, 2)
    name: str | None = "plain"
    fails: bool = False

    task = "probe"
    total_steps = step_key = seconds_per_step = None

    def check(self, context):
        self.check_names(name=("plain", "coloured", None))

    def result(self, context, folder):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "backup").touch()
        network(self.widths[0])
        if self.fails:
            raise RuntimeError("broken off")
        return {"folder": folder and folder.name}


def test_lists_of_a_spec_are_tuples_of_the_run():
    spec = {"task": "probe", "widths": [3, 4], "name": None, "fails": False}
    assert Probe.from_spec(spec) == Probe((3, 4), None)
    assert Probe((3, 4), None).spec == spec


def test_the_folder_of_a_run_is_removed_when_its_result_is_there(tmp_path):
    context = Context(backups=tmp_path)
    with pytest.raises(RuntimeError, match="broken off"):
        Probe(fails=True).execute(context)
    assert (tmp_path / digest(Probe(fails=True).spec) / "backup").exists()
    assert Probe().execute(context) == {"folder": digest(Probe().spec)}
    assert [path.name for path in tmp_path.iterdir()] == [digest(Probe(fails=True).spec)]
    assert Probe().execute(Context()) == {"folder": None}


def test_a_network_is_kept_until_a_run_breaks_off():
    Probe().execute(Context())
    BUILT.clear()
    Probe(name=None).execute(Context())
    assert BUILT == []
    with pytest.raises(RuntimeError):
        Probe(fails=True).execute(Context())
    Probe().execute(Context())
    assert BUILT == [1]


def test_a_run_is_checked_before_it_begins(tmp_path):
    with pytest.raises(UsageError, match="Unknown name. Received: 'plane'. Did you mean 'plain'?"):
        Probe(name="plane").execute(Context(backups=tmp_path))
    assert list(tmp_path.iterdir()) == []
