"""The command line: `python -m experiments list | plan | run | report | store | compare | tune`."""

import argparse
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported

from experiments.commands import compare, listing, plan, report, run, store, tune
from experiments.engine import catalogue
from experiments.engine.errors import UsageError
from experiments.engine.settings import add_options, number

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

    lists = commands.add_parser("list", help="every experiment: paper, table, sizes, cost")
    lists.set_defaults(command=listing.command)

    named = arguments[:1] in (["plan"], ["run"]) and arguments[1:]
    if named and not arguments[1].startswith("-"):
        catalogue.find(arguments[1])  # names the nearest where there is none
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
        each.set_defaults(command=plan.command)

    runs = commands.add_parser("run", help="one table or figure: does what is missing")
    for each in _named(runs):
        _add_run_options(each)
        _add_device_options(each)
        each.set_defaults(command=run.command)

    reports = commands.add_parser("report", help="one page with everything that was run")
    reports.add_argument("names", nargs="*", metavar="NAME", help="experiments (default: all)")
    reports.add_argument("--store", default=STORE, metavar="FILE", help=f"default: {STORE}")
    reports.add_argument("--out", default="results/report", metavar="FOLDER", help="for the page")
    reports.add_argument(
        "--markdown",
        metavar="FOLDER",
        help="instead, write tables and pictures of the Markdown pages there from runs beside them",
    )
    reports.set_defaults(command=report.command)

    stores = commands.add_parser("store", help="look after a store of runs")
    checks = stores.add_subparsers(required=True, metavar="ACTION").add_parser(
        "check", help="is every row as it was written?"
    )
    checks.add_argument("--store", default=STORE, metavar="FILE", help=f"default: {STORE}")
    checks.add_argument(
        "--repair", action="store_true", help="keep what is whole, and the damaged file beside it"
    )
    checks.set_defaults(command=store.command)

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
    comparison.set_defaults(command=compare.command)

    tuning = commands.add_parser("tune", help="search for a method and its parameters")
    add_options(tuning, tune.Settings())
    tuning.add_argument(
        "--out",
        default="results/tune",
        metavar="FOLDER",
        help="for the search, trials.csv, trials.json and trials.png (default: results/tune)",
    )
    _add_source_options(tuning)
    tuning.set_defaults(command=tune.command)

    for each in (lists, comparison, tuning):
        _add_json(each)
    return parser


def _named(parser):
    """One parser for each experiment."""
    named = parser.add_subparsers(required=True, metavar="NAME", dest="name")
    for name in catalogue.names():
        found = catalogue.find(name)
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


if __name__ == "__main__":
    sys.exit(main())
