"""How many runs an experiment still needs, and how long they take, from a short measurement."""

import dataclasses
import itertools

import tqdm

from experiments.engine import catalogue


@dataclasses.dataclass(frozen=True)
class Kind:
    """Missing runs that take the same time for a step.

    Args:
        name: what they have in common.
        runs: how many there are.
        steps: optimizer steps of all of them, at most.
        seconds_per_step: as measured.
    """

    name: str
    runs: int
    steps: int
    seconds_per_step: float

    @property
    def seconds(self):
        """What they take on this machine."""
        return self.steps * self.seconds_per_step


def probe(specs):
    """Measure one run of each kind, for some steps.

    Args:
        specs: the missing runs.

    Returns:
        A list of `Kind`.
    """
    groups: dict = {}
    for spec in specs:
        run = catalogue.run(spec)
        groups.setdefault((run.task, run.step_key), []).append(run)
    kinds = []
    for (task, key), members in tqdm.tqdm(groups.items(), desc="measuring", leave=False):
        name = " ".join(map(str, key if isinstance(key, tuple) else (key,)))
        steps = sum(member.total_steps for member in members)
        kinds.append(Kind(f"{task}: {name}", len(members), steps, members[0].seconds_per_step()))
    return kinds


def summary(kinds, finished, devices, speedup):
    """The plan as a dict of JSON values; arguments as for `table`."""
    seconds = sum(kind.seconds for kind in kinds)
    return {
        "finished": finished,
        "missing": sum(kind.runs for kind in kinds),
        "steps": sum(kind.steps for kind in kinds),
        "seconds_here": seconds,
        "devices": devices,
        "speedup": speedup,
        "seconds_shared": _shared(kinds, devices) / speedup,
        "kinds": [dataclasses.asdict(kind) for kind in kinds],
    }


def _shared(kinds, devices):
    """Time until the last device is done: a run is not divided."""
    longest = max((kind.seconds / kind.runs for kind in kinds), default=0.0)
    return max(sum(kind.seconds for kind in kinds) / devices, longest)


def duration(seconds):
    """Time in two units: "3 d 4 h", "2 min 5 s".

    Example:
        >>> duration(7500)
        '2 h 5 min'
    """
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    rest = round(seconds)
    for (unit, size), (smaller, part) in itertools.pairwise(units):
        if rest >= size:
            return f"{rest // size} {unit} {rest % size // part} {smaller}"
    return f"{rest} s" if rest else "less than 1 s"
