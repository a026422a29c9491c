"""The command `report`."""

import argparse
import datetime
import pathlib
import shlex

from experiments.commands import compare, run
from experiments.engine import catalogue, folders
from experiments.engine.errors import UsageError
from experiments.engine.experiment import distinct
from experiments.engine.files import versions, write
from experiments.engine.settings import add_options, chosen, restored
from experiments.engine.store import Store
from experiments.report import markdown


def command(options):
    """Write one page with everything that was run, or the tables of results pages."""
    if options.markdown:
        return _markdown(pathlib.Path(options.markdown))
    from experiments.report import page

    wanted = {name: catalogue.find(name) for name in options.names or catalogue.names()}
    if not options.names:
        wanted["compare"] = compare.EXPERIMENT
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
            name: (each, store.records(_specs(each, requests[name])))
            for name, each in wanted.items()
            if name in requests
        }
    facts = {
        "Written": datetime.date.today().isoformat(),
        "With": ", ".join(f"{name} {version}" for name, version in versions().items()),
    }
    for file in page.write(found, pathlib.Path(options.out), facts):
        print(file)
    return 0


def _markdown(folder):
    """Write the marked places of each Markdown page anew, from the records beside it."""
    from experiments.report import page

    for file in sorted(folder.rglob("*.md")):
        text, pictures = filled(file)
        for name, draw in pictures.items():
            write(file.with_name(name), page.picture(draw())[0])
        if text != file.read_text(encoding="utf-8"):
            write(file, text)
            print(file)
    return 0


def filled(file):
    """A results page with its marked places written anew, and its pictures.

    Args:
        file: path of a Markdown page.

    Returns:
        As `report.markdown.filled`.

    Raises:
        UsageError: if a run that it shows is not beside it.
    """
    records = markdown.Records(file.parent)

    def found(commands):
        named = [_command(words) for words in commands.split(";")]
        specs = distinct([spec for each, settings in named for spec in each.runs(settings)])
        return named[0][0], records.of(specs)

    return markdown.filled(file.read_text(encoding="utf-8"), found)


def _command(words):
    """The experiment and the settings of a command, such as "init_depth --seeds 2"."""
    name, *arguments = shlex.split(words)
    each = compare.EXPERIMENT if name == "compare" else catalogue.find(name)
    parser = argparse.ArgumentParser(name)
    add_options(parser, each.sizes["smoke"])
    return each, chosen(each.sizes["smoke"], parser.parse_args(arguments))


def _specs(experiment, request):
    """The runs that were asked for, on the images that were in the folders then."""
    with folders.once(request.get(run.FOLDERS)):
        return experiment.runs(restored(experiment.sizes["smoke"], request))
