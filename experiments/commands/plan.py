"""The command `plan`."""

import pathlib

from experiments.engine import catalogue, folders, planning, runner
from experiments.engine.files import write_json
from experiments.engine.planning import duration
from experiments.engine.settings import chosen
from experiments.engine.store import Store
from experiments.report.tables import Table, as_text


def command(options):
    """Print how many runs an experiment has, and how long the missing ones take."""
    with folders.once():
        return _plan(options)


def _plan(options):
    found = catalogue.find(options.name)
    specs = found.runs(chosen(found.sizes[options.size], options))
    missing = specs
    if pathlib.Path(options.store).exists():
        with Store(options.store) as store:
            missing = runner.unfinished(specs, store)
    kinds = planning.probe(missing)
    arguments = kinds, len(specs) - len(missing), options.devices, options.speedup
    print(as_text(table(*arguments)))
    if options.json:
        write_json(options.json, planning.summary(*arguments))
    return 0


def table(kinds, finished, devices, speedup):
    """The plan as a table.

    Args:
        kinds: list of `planning.Kind`.
        finished: number of runs that the store has already.
        devices: number of devices that share the runs.
        speedup: how many times as fast as this machine each of them is.

    Returns:
        An `experiments.report.tables.Table`.
    """
    header = ("kind", "runs", "steps, at most", "ms a step", "here")
    body = [
        (
            kind.name,
            str(kind.runs),
            f"{kind.steps:,}",
            f"{1000 * kind.seconds_per_step:.3g}",
            duration(kind.seconds),
        )
        for kind in kinds
    ]
    plan = planning.summary(kinds, finished, devices, speedup)
    total = ("all", str(plan["missing"]), f"{plan['steps']:,}", "", duration(plan["seconds_here"]))
    share = duration(plan["seconds_shared"])
    return Table(
        f"Runs: {plan['missing'] + finished}, finished {finished}, missing {plan['missing']}",
        header,
        (*body, total),
        notes=(
            f"On {devices} {'device' if devices == 1 else 'devices'}, each {speedup:g} times as "
            f"fast as this one: {share}.",
            "An upper bound where rounds end early: steps are counted as if none did. Measured on "
            "generated data; reading a data set and evaluation are not in it.",
        ),
    )
