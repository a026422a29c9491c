"""The command `run`."""

import dataclasses
import functools
import sys

from experiments.engine import catalogue, folders
from experiments.engine.errors import UsageError
from experiments.engine.experiment import Context
from experiments.engine.files import versions, write_json
from experiments.engine.rows import key
from experiments.engine.settings import chosen
from experiments.engine.store import Store

FOLDERS = "folders"  # of a request: what was in each folder


def command(options):
    """Do what is missing of one table or figure; print it."""
    found = catalogue.find(options.name)
    settings = chosen(found.sizes[options.size], options)
    files = [options.json] if options.json else []
    return perform(options, options.name, found, settings, options.store, files)[0]


def perform(options, name, found, settings, path, json_files):
    """Do what is missing, print the tables; returns the exit status and all finished records."""
    with folders.once() as images:
        return _perform(options, name, found, settings, path, json_files, images)


def _perform(options, name, found, settings, path, json_files, images):
    from experiments.engine import runner
    from experiments.report.tables import as_text

    specs = list({key(spec): spec for spec in found.runs(settings)}.values())
    context = Context(options.data_dir, options.download)
    engine = _engine(options, specs, context)
    if engine is None:
        return 0, []
    status = 0
    with Store(path) as store:
        context = dataclasses.replace(context, backups=store.path.with_suffix(".backups"))
        runner.check(specs, store, context)
        asked = {FOLDERS: images} if images else {}
        store.request(name, dataclasses.asdict(settings) | asked)
        before = store.counts(specs)["finished"]
        try:
            engine(specs, store, context, take_over=options.take_over)
        except KeyboardInterrupt:
            status = 130
            print("Interrupted. The same command does the rest.", file=sys.stderr)
        records = store.records(specs)
        account, undone = runner.account(specs, store, before)
    if not records:
        print(account, file=sys.stderr)
        return status or int(undone > 0), records
    rows = found.summarize(records)
    print(*map(as_text, found.tables(rows)), sep="\n\n", end="\n\n", flush=True)
    print(account, file=sys.stderr)
    content = {"experiment": name, "settings": dataclasses.asdict(settings)}
    content |= {"versions": versions(), "runs": records, "summary": rows.to_dict("records")}
    for file in json_files:
        write_json(file, content)
    return status or int(undone > 0), records


def _engine(options, specs, context):
    """The function that performs the runs, or None if this process has helped another one to."""
    if options.strategy is None:
        from experiments.engine import processes, ray_cluster, runner

        if options.engine == "local" and options.workers == 1:
            return runner.perform
        engine = ray_cluster if options.engine == "ray" else processes
        return functools.partial(engine.perform, count=options.workers)
    if options.workers > 1 or options.engine == "ray":
        raise UsageError(
            f"A strategy has all devices. Received: --strategy {options.strategy} --workers "
            f"{options.workers} --engine {options.engine}. Expected no --workers, no --engine."
        )
    from experiments.engine import strategy

    place = strategy.place(options.strategy, specs)
    if place.leads:
        return place.perform
    place.follow(context)
    return None
