"""The command line: `python -m experiments list | plan | run | report | compare | tune`."""

import argparse
import dataclasses
import datetime
import functools
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported

from experiments import compare, experiment, tune
from experiments.errors import UsageError
from experiments.experiment import Context
from experiments.export import versions, write, write_csv, write_json
from experiments.options import add_options, chosen, number, restored
from experiments.store import Store

STORE = "results/runs.sqlite"


def main(arguments=None):
    """Runs one command.

    Args:
        arguments: list of str, or None for those of the process.

    Returns:
        The exit status: 0, 1 where runs failed, 2 after a mistake in the command, 130 after an
        interrupt.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        options = _parser(arguments).parse_args(arguments)
        return options.command(options)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130


def _parser(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m experiments",
        description="Reproduce the papers' tables and figures, and compare methods on your data.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    listing = commands.add_parser("list", help="every experiment: paper, table, sizes, cost")
    listing.set_defaults(command=_list)

    named = arguments[:1] in (["plan"], ["run"]) and arguments[1:]
    if named and not arguments[1].startswith("-"):
        experiment.find(arguments[1])  # names the nearest where there is none
    plans = commands.add_parser("plan", help="how many runs an experiment has, how long they take")
    for each in _named(plans):
        _add_run_options(each)
        each.add_argument(
            "--devices", type=number(int, 1), default=1, metavar="N", help="devices that share it"
        )
        each.add_argument(
            "--speedup",
            type=number(float, 0.001),
            default=1.0,
            metavar="X",
            help="how many times as fast as this one each of them is",
        )
        each.set_defaults(command=_plan)

    runs = commands.add_parser("run", help="one table or figure: does what is missing")
    for each in _named(runs):
        _add_run_options(each)
        _add_device_options(each)
        each.set_defaults(command=_run)

    report = commands.add_parser("report", help="one page with everything that was run")
    report.add_argument("names", nargs="*", metavar="NAME", help="experiments (default: all)")
    report.add_argument("--store", default=STORE, metavar="FILE", help=f"default: {STORE}")
    report.add_argument("--out", default="results/report", metavar="FOLDER", help="for the page")
    report.set_defaults(command=_report)

    comparison = commands.add_parser("compare", help="all methods on one data set")
    add_options(comparison, compare.Settings())
    comparison.add_argument(
        "--out",
        default="results/compare",
        metavar="FOLDER",
        help="for runs.sqlite, runs.csv, runs.json and the pictures (default: results/compare)",
    )
    _add_data_options(comparison)
    _add_device_options(comparison)
    comparison.set_defaults(command=_compare)

    tuning = commands.add_parser("tune", help="search for a method and its parameters")
    add_options(tuning, tune.Settings())
    tuning.add_argument(
        "--out",
        default="results/tune",
        metavar="FOLDER",
        help="for the search, trials.csv, trials.json and trials.png (default: results/tune)",
    )
    _add_source_options(tuning)
    tuning.set_defaults(command=_tune)

    for each in (listing, comparison, tuning):
        _add_json(each)
    return parser


def _named(parser):
    """One parser for each experiment."""
    named = parser.add_subparsers(required=True, metavar="NAME", dest="name")
    for name in experiment.names():
        found = experiment.find(name)
        each = named.add_parser(name, help=f"{found.paper}, {found.item}: {found.title}")
        each.add_argument(
            "--size", choices=sorted(found.sizes), default="smoke", help="default: smoke"
        )
        add_options(each, found.sizes["smoke"])
        yield each


def _add_run_options(parser):
    parser.add_argument(
        "--store",
        default=STORE,
        metavar="FILE",
        help=f"where finished runs are kept; several processes may share it (default: {STORE})",
    )
    _add_data_options(parser)
    _add_json(parser)


def _add_source_options(parser):
    parser.add_argument(
        "--data-dir",
        default=os.environ.get("TFDS_DATA_DIR"),
        metavar="DIR",
        help="TFDS folder (default: TFDS_DATA_DIR of the environment, or TFDS's own)",
    )
    parser.add_argument(
        "--download", action="store_true", help="prepare a data set over the network if missing"
    )


def _add_data_options(parser):
    _add_source_options(parser)
    parser.add_argument(
        "--take-over",
        action="store_true",
        help="also do runs that another machine, now gone, has begun",
    )


def _add_device_options(parser):
    parser.add_argument(
        "--workers",
        type=number(int, 1),
        default=1,
        metavar="N",
        help="processes that share the runs, the cores and the GPUs (default: 1)",
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="where they are: on this machine, or on those of Ray (default: local)",
    )
    parser.add_argument(
        "--strategy",
        choices=("mirrored", "multiworker", "tpu"),
        help="devices or machines (TF_CONFIG) that share each run (default: none)",
    )


def _add_json(parser):
    parser.add_argument("--json", metavar="FILE", help="write the runs and the table there too")


def _list(options):
    from experiments.report.tables import Table, as_text

    rows = [(name, experiment.find(name)) for name in experiment.names()]
    body = [
        (name, found.paper, found.item, size, found.cost[size])
        for name, found in rows
        for size in sorted(found.sizes, reverse=True)
    ]
    header = ("name", "paper", "item", "size", "cost")
    print(as_text(Table("Experiments", header, tuple(body), left=5)))
    if options.json:
        entries = [
            {
                "name": name,
                "paper": found.paper,
                "item": found.item,
                "title": found.title,
                "sizes": sorted(found.sizes, reverse=True),
                "cost": dict(found.cost),
            }
            for name, found in rows
        ]
        write_json(options.json, {"experiments": entries})
    return 0


def _plan(options):
    from experiments import planning
    from experiments.report.tables import as_text

    found = experiment.find(options.name)
    specs = found.runs(chosen(found.sizes[options.size], options))
    missing = specs
    if pathlib.Path(options.store).exists():
        with Store(options.store) as store:
            missing = [spec for spec in specs if store.state(spec)[0] != "finished"]
    kinds = planning.probe(missing)
    arguments = kinds, len(specs) - len(missing), options.devices, options.speedup
    print(as_text(planning.table(*arguments)))
    if options.json:
        write_json(options.json, planning.summary(*arguments))
    return 0


def _run(options):
    found = experiment.find(options.name)
    settings = chosen(found.sizes[options.size], options)
    files = [options.json] if options.json else []
    return _perform(options, options.name, found, settings, options.store, files)[0]


def _compare(options):
    settings = chosen(compare.Settings(), options)
    folder = pathlib.Path(options.out)
    files = [folder / "runs.json", *([options.json] if options.json else [])]
    status, records = _perform(
        options, "compare", compare.EXPERIMENT, settings, folder / "runs.sqlite", files
    )
    if records:
        from experiments.report import page

        write_csv(folder / "runs.csv", records)
        pictures = compare.EXPERIMENT.figures(records)
        for name, (_, draw) in pictures.items():
            write(folder / f"{name}.png", page.picture(draw())[0])
        print(f"Written: {folder}/", "runs.csv, runs.json,", *(f"{name}.png" for name in pictures))
    return status


def _tune(options):
    settings = chosen(tune.Settings(), options)
    folder = pathlib.Path(options.out)
    found = tune.search(settings, Context(options.data_dir, options.download), folder)
    if found is None:
        return 0
    from experiments.report import page
    from experiments.report.tables import as_text
    from keras_reinit.analysis import plots

    trials, accuracy = found
    print(*map(as_text, tune.tables(settings, trials, accuracy)), sep="\n\n", end="\n\n")
    content = {"settings": dataclasses.asdict(settings), "versions": versions()}
    content |= {"trials": trials, "test_accuracy": accuracy}
    for file in (folder / "trials.json", *([options.json] if options.json else [])):
        write_json(file, content)
    write_csv(folder / "trials.csv", trials)
    written = ["trials.json", "trials.csv"]
    if accuracy is not None:
        heading = f"{tune.title(settings)}\nscore: validation accuracy of the last round"
        figure = plots.parallel_coordinates(trials, tune.PARAMETERS, heading)
        write(folder / "trials.png", page.picture(figure)[0])
        written.append("trials.png")
    print(f"Written: {folder}/", ", ".join(written))
    return int(any(trial["score"] is None for trial in trials))


def _perform(options, name, found, settings, path, json_files):
    """Do what is missing, print the tables; returns the exit status and all finished records."""
    from experiments import runner
    from experiments.report.tables import as_text

    specs = found.runs(settings)
    context = Context(options.data_dir, options.download)
    perform = _engine(options, specs, context)
    if perform is None:
        return 0, []
    status = 0
    with Store(path) as store:
        context = dataclasses.replace(context, backups=store.path.with_suffix(".backups"))
        runner.check(specs, store, context)
        store.request(name, dataclasses.asdict(settings))
        before = store.states(specs)["finished"]
        try:
            perform(specs, store, context, take_over=options.take_over)
        except KeyboardInterrupt:
            status = 130
            print("Interrupted. The same command does the rest.", file=sys.stderr)
        records = store.records(specs)
        account, undone = runner.account(specs, store, before)
    rows = found.summarize(records) if records else []
    if records:
        print(*map(as_text, found.tables(rows)), sep="\n\n", end="\n\n", flush=True)
    print(account, file=sys.stderr)
    if records:
        content = {"experiment": name, "settings": dataclasses.asdict(settings)}
        content |= {"versions": versions(), "runs": records, "summary": rows}
        for file in json_files:
            write_json(file, content)
    return status or int(undone > 0), records


def _engine(options, specs, context):
    """The function that performs the runs, or None if this process has helped another one to."""
    if options.strategy is None:
        from experiments import cluster, runner, workers

        if options.engine == "local" and options.workers == 1:
            return runner.perform
        engine = cluster if options.engine == "ray" else workers
        return functools.partial(engine.perform, count=options.workers)
    if options.workers > 1 or options.engine == "ray":
        raise UsageError(
            f"A strategy has all devices. Received: --strategy {options.strategy} --workers "
            f"{options.workers} --engine {options.engine}. Expected no --workers, no --engine."
        )
    from experiments import replicas

    place = replicas.place(options.strategy, specs)
    if place.leads:
        return place.perform
    place.follow(context)
    return None


def _report(options):
    from experiments.report import page

    catalogue = {name: experiment.find(name) for name in options.names or experiment.names()}
    if not options.names:
        catalogue["compare"] = compare.EXPERIMENT
    if not pathlib.Path(options.store).exists():
        raise UsageError(
            f"There is no store of runs. Received: --store {options.store}. Expected the file that "
            "`run` wrote to, or `run` first."
        )
    with Store(options.store) as store:
        requests = store.requests()
        lacking = [name for name in options.names if name not in requests]
        if lacking or not requests:
            raise UsageError(
                f"Nothing was run yet. Received: {', '.join(lacking) or 'an empty store'}, --store "
                f"{options.store}. Expected `run {lacking[0] if lacking else 'NAME'}` first."
            )
        found = {
            name: (each, store.records(each.runs(restored(each.sizes["smoke"], requests[name]))))
            for name, each in catalogue.items()
            if name in requests
        }
    facts = {
        "Written": datetime.date.today().isoformat(),
        "With": ", ".join(f"{name} {version}" for name, version in versions().items()),
    }
    for file in page.write(found, pathlib.Path(options.out), facts):
        print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
