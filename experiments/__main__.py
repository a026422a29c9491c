"""The command line: `python -m experiments list | run NAME | compare`."""

import argparse
import dataclasses
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported

from experiments import compare, experiment
from experiments.errors import UsageError
from experiments.options import add_options, chosen
from experiments.records import RunLog, write_json


def main(arguments=None):
    """Runs one command.

    Args:
        arguments: list of str, or None for those of the process.

    Returns:
        The exit status: 0, 2 after a mistake in the command, 130 after an interrupt.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        options = _parser(arguments).parse_args(arguments)
        return options.command(options)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m experiments",
        description="Reproduce the papers' tables and figures, and compare methods on your data.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    listing = commands.add_parser("list", help="every experiment: paper, table, sizes, cost")
    _add_json(listing)
    listing.set_defaults(command=_list)

    runner = commands.add_parser("run", help="one table or figure of a paper")
    if arguments[:1] == ["run"] and arguments[1:] and not arguments[1].startswith("-"):
        experiment.find(arguments[1])  # names the nearest where there is none
    named = runner.add_subparsers(required=True, metavar="NAME", dest="name")
    for name in experiment.names():
        found = experiment.find(name)
        sizes = found.sizes
        each = named.add_parser(name, help=f"{found.paper}, {found.item}: {found.title}")
        each.add_argument("--size", choices=sorted(sizes), default="smoke", help="default: smoke")
        add_options(each, sizes["smoke"])
        _add_json(each)
        each.set_defaults(command=_run)

    comparison = commands.add_parser("compare", help="all methods on one data set")
    add_options(comparison, compare.Settings())
    _add_json(comparison)
    comparison.set_defaults(command=_compare)
    return parser


def _add_json(parser):
    parser.add_argument("--json", metavar="FILE", help="write the runs and the table there too")


def _list(options):
    from experiments.report import table

    rows = [(name, experiment.find(name)) for name in experiment.names()]
    body = [
        [name, found.paper, found.item, size, found.cost[size]]
        for name, found in rows
        for size in sorted(found.sizes, reverse=True)
    ]
    print(table(["name", "paper", "item", "size", "cost"], body, left=5))
    if options.json:
        entries = [
            {
                "name": name,
                "paper": found.paper,
                "item": found.item,
                "title": found.title,
                "sizes": sorted(found.sizes, reverse=True),
                "cost": found.cost,
            }
            for name, found in rows
        ]
        write_json(options.json, {"experiments": entries})
    return 0


def _run(options):
    found = experiment.find(options.name)
    settings = chosen(found.sizes[options.size], options)
    header = {"experiment": options.name, "settings": dataclasses.asdict(settings)}
    log = RunLog(found.summarize, header, [options.json] if options.json else [])
    status = _collect(log, found, settings)
    if log.runs:
        print(found.report(found.summarize(log.runs)))
    return status


def _compare(options):
    settings = chosen(compare.Settings(), options)
    compare.check(settings)
    folder = pathlib.Path(settings.out)
    json_files = [folder / "runs.json", *([options.json] if options.json else [])]
    header = {"command": "compare", "settings": dataclasses.asdict(settings)}
    log = RunLog(compare.summarize, header, json_files, folder / "runs.csv")
    status = _collect(log, compare, settings)
    if log.runs:
        print(compare.report(compare.summarize(log.runs), settings))
        compare.draw(log.runs, settings, folder)
        print(f"\nWritten: {folder}/ runs.csv, runs.json, learning_curves.png, accuracy.png")
    return status


def _collect(log, source, settings):
    """Run until done or interrupted; finished runs are in the log either way."""
    from experiments.progress import Progress

    try:
        with Progress(source.count(settings)) as progress:
            for record in source.run(settings, [progress]):
                log.add(record)
    except KeyboardInterrupt:
        print(f"Interrupted. Finished runs: {len(log.runs)}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
