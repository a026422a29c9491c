"""Pong by actor-critic with a network of 100 layers: weight normalisation and how it begins.

Paper: Arpit et al. 2019, poster, Initial Reinforcement Learning Results.
Command: `python -m experiments run init_pong --size smoke`
Cost: smoke, 6 runs of narrow networks on small pictures: 20 minutes on two CPU cores (estimated).
Paper, 9 runs of 7 million steps: accelerators.

Published: a picture that the text does not have. Its runs are A3C with 6 workers on
PongNoFrameskip, 7M steps, 3 seeds, of a 100-layer IMPALA network: no weight norm, proposed, PyTorch
default. Ours where it is silent: the synchronous form of A3C and its settings, kernels without
weight normalisation by PyTorch's default rule (heads, and all of the first arm), and a step, which
is one action of one worker. Random play scores -20.7 (Mnih et al. 2015); the best is 21. The small
size is far too short to learn the game: it says how the networks begin.
"""

import dataclasses
import itertools
import math
import statistics
from typing import Any

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.arpit2019.actor_critic_run import ActorCriticRun
from experiments.papers.arpit2019.networks import PAPER
from experiments.report.statistics import deviation, grouped, seeds_of
from experiments.report.tables import Table

ARMS: dict[str, dict[str, Any]] = {
    "no weight norm": {"scheme": None, "initializer": "pytorch"},
    "proposed": {"scheme": "arpit", "initializer": "pytorch"},
    "PyTorch default": {"scheme": "pytorch", "initializer": "pytorch"},
    "no weight norm, He": {"scheme": None, "initializer": "he"},  # ours
}
LAST = 100  # games whose mean is a run's score
BINS = 20  # of the steps, in the picture


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the command line can change: the defaults are the paper's."""

    environment: str = option("PongNoFrameskip-v4", "a game as Gymnasium names it")
    arm: tuple[str, ...] = option(tuple(ARMS)[:3], "networks and their beginning", tuple(ARMS))
    seeds: int = option(3, "number of seeds, from 0", minimum=1)
    depth: int = option(100, "layers of the network, 6 n + 4", minimum=10)
    width: float = option(1.0, "multiplier of its filters and units", minimum=0.01)
    side: int = option(84, "height and width of a picture", minimum=8)
    games: int = option(6, "copies of the game", minimum=1)
    unroll: int = option(20, "actions of each copy between two updates", minimum=1)
    steps: int = option(7_000_000, "actions of all copies together", minimum=1)
    learning_rate: float = option(7e-4, "learning rate of RMSprop", minimum=0.0)


def runs(settings):
    """One run an arm and seed."""
    values = dataclasses.asdict(settings)
    arms, seeds, games = (values.pop(name) for name in ("arm", "seeds", "games"))
    return [
        ActorCriticRun(**values, **ARMS[arm], workers=games, seed=seed).spec
        for arm, seed in itertools.product(arms, range(seeds))
    ]


def summarize(records):
    """One row an arm."""
    rows = []
    for (environment, arm), group in _arms(records).items():
        scores = [statistics.fmean(run["returns"][-LAST:]) for run in group if run["returns"]]
        rows.append(
            {
                "environment": environment,
                "arm": arm,
                "seeds": len(group),
                "diverged": sum(run["diverged"] is not None for run in group),
                "games": sum(len(run["returns"]) for run in group),
                "score": statistics.fmean(scores) if scores else None,
                "score_deviation": deviation(scores),
                **_tenths(group, "entropy"),
                **_tenths(group, "gradient_norm"),
                **{name: group[0][name] for name in DESIGN},
            }
        )
    return rows


def tables(rows):
    """One table a game."""
    made = []
    for environment, group in grouped(rows, "environment").items():
        body = [
            (
                row["arm"],
                _text(row["score"], row["score_deviation"]),
                str(row["games"]),
                _course(row, "entropy", ".2f"),
                _course(row, "gradient_norm", ".2g"),
                f"{row['diverged']} of {row['seeds']}",
            )
            for row in group
        ]
        header = ("network", "score", "games", "entropy", "gradient norm", "diverged")
        title = f"Reinforcement learning: {environment}"
        made.append(Table(title, header, tuple(body), notes=_notes(group)))
    return made


def figures(records):
    """One picture a game: the score against steps."""

    def draw(panels):
        from keras_reinit.analysis import plots

        return plots.lines(panels, "steps", "score of a game")

    found: dict = {}
    for (environment, arm), group in _arms(records).items():
        found.setdefault(environment, {})[arm] = _curve(group)
    return {
        f"init_pong_{environment}": (
            f"Mean score of the games that end, against steps, on {environment}.",
            lambda panels={environment: arms}: draw(panels),
        )
        for environment, arms in found.items()
    }


# What `figures` and `tables` are made of.


def _arms(records):
    """Records by environment and arm."""
    found: dict = {}
    for run in records:
        arm = next(
            arm for arm, values in ARMS.items() if all(run[name] == values[name] for name in values)
        )
        found.setdefault((run["environment"], arm), []).append(run)
    return found


def _curve(group):
    """What `plots.lines` draws: {steps: mean score of the games that ended there, one a run}."""
    span = group[0]["steps"] / BINS
    found: dict = {}
    for run in group:
        ended: dict = {}
        for step, score in zip(run["episode_ends"], run["returns"], strict=True):
            ended.setdefault(round(math.ceil(step / span) * span), []).append(score)
        for end, scores in ended.items():
            found.setdefault(end, []).append(statistics.fmean(scores))
    return dict(sorted(found.items()))


def _text(mean, spread):
    if mean is None:
        return "-"
    return f"{mean:.1f}" + ("" if spread is None else f" ± {spread:.1f}")


def _tenths(group, name):
    """Means over the first and the last tenth of each run, as far as it went."""
    courses = [run[name] for run in group if run[name]]
    if not courses:
        return {f"{name}_first": None, f"{name}_last": None}
    counts = [-(-len(course) // 10) for course in courses]
    pairs = list(zip(courses, counts, strict=True))
    return {
        f"{name}_first": statistics.fmean(statistics.fmean(c[:n]) for c, n in pairs),
        f"{name}_last": statistics.fmean(statistics.fmean(c[-n:]) for c, n in pairs),
    }


def _course(row, name, form):
    ends = [row[f"{name}_{when}"] for when in ("first", "last")]
    return "-" if None in ends else " to ".join(format(end, form) for end in ends)


def _notes(rows):
    differs = dict.fromkeys(
        wording.format(row[name])
        for name, wording in DESIGN.items()
        for row in rows
        if row[name] != getattr(ActorCriticRun(), name)
    )
    notes = (
        f"Score: mean of the last {LAST} games that a run ended, or of all, mean ± standard "
        f"deviation over {seeds_of(rows)}. Entropy of the policy in nats and norm of the gradient "
        "before clipping: means over the first and the last tenth of the training. Diverged: loss "
        "or gradient is not finite, which ends a run.",
    )
    return (*notes, f"Other than in the paper: {', '.join(differs)}.") if differs else notes


DESIGN = {
    "depth": "{} layers (100)",
    "width": "{} of the filters (1)",
    "side": "pictures of {0}x{0} pixels (84x84, ours)",
    "workers": "{} workers (6)",
    "steps": "{:,} steps (7,000,000)",
}


EXPERIMENT = Experiment(
    paper=PAPER,
    item="Initial Reinforcement Learning Results",
    title="a game learned by networks of 100 layers",
    sizes={
        "smoke": Settings(seeds=2, width=0.5, side=42, steps=9600),
        "paper": Settings(),
    },
    cost={
        "smoke": "6 runs, 20 minutes on two CPU cores (estimated)",
        "paper": "9 runs of 7 million steps: accelerators",
    },
    runs=runs,
    summarize=summarize,
    tables=tables,
    figures=figures,
)
