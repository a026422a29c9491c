"""The command `store check`."""

import sys

from experiments.engine import damage


def command(options):
    """Say what is damaged in a store; with `--repair` set it aside.

    Returns 1 where something is damaged and stays so.
    """
    found, kept = damage.repair(options.store) if options.repair else (None, None)
    found = found or damage.examine(options.store)
    for fault in found.faults:
        print(f"- {fault}", file=sys.stderr)
    held = f"finished runs {found.finished}, others {len(found.runs) - found.finished}"
    if not found.faults:
        print(f"The store is whole: {held}. {options.store}")
        return 0
    if kept is None:
        print(
            f"The store is damaged. What is whole: {held}. With --repair it is kept, and the "
            f"damaged file beside it. {options.store}"
        )
        return 1
    print(
        f"The store is repaired: {held}. Runs that were damaged are run again by the next command; "
        f"the damaged file is kept as {kept}"
    )
    return 0
