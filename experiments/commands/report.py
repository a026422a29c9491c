"""The command `report`."""

import datetime
import pathlib

from experiments.commands import compare
from experiments.engine import catalogue
from experiments.engine.errors import UsageError
from experiments.engine.files import versions
from experiments.engine.settings import restored
from experiments.engine.store import Store


def command(options):
    """Write one page with everything that was run."""
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
            name: (each, store.records(each.runs(restored(each.sizes["smoke"], requests[name]))))
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
