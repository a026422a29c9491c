"""The command `list`."""

from experiments.engine import catalogue
from experiments.engine.files import write_json
from experiments.report.tables import Table, as_text


def command(options):
    """Print every experiment: paper, table, sizes, cost."""
    rows = [(name, catalogue.find(name)) for name in catalogue.names()]
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
