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
import math
from statistics import fmean
from typing import Any

from experiments.engine.experiment import Experiment
from experiments.engine.settings import combinations, option
from experiments.papers.arpit2019.actor_critic_run import ActorCriticRun
from experiments.papers.arpit2019.networks import PAPER
from experiments.report.pictures import drawing
from experiments.report.statistics import deviation, each, first, frame, mean, number, seeds_of
from experiments.report.tables import differences, listed

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
        ActorCriticRun(**values, **ARMS[cell["arm"]], workers=games, seed=cell["seed"]).spec
        for cell in combinations(arm=arms, seed=range(seeds))
    ]


def summarize(records):
    """One row an arm."""
    rows = []
    for (environment, arm), group in each(_named(records), "environment", "arm"):
        scores = [fmean(returns[-LAST:]) for returns in group["returns"] if returns]
        row = {"environment": environment, "arm": arm, "seeds": len(group)}
        row["diverged"] = sum(step is not None for step in group["diverged"])
        row["games"] = sum(map(len, group["returns"]))
        row |= {"score": mean(scores), "score_deviation": deviation(scores)}
        row |= {name: _tenths(group[name]) for name in ("entropy", "gradient_norm")}
        rows.append(row | {name: first(list(group[name])) for name in DESIGN})
    return frame(rows)


def _named(records):
    """The runs, each with its "arm"."""
    arms = {tuple(values.values()): arm for arm, values in ARMS.items()}
    return [run | {"arm": arms[run["scheme"], run["initializer"]]} for run in records]


def _tenths(courses):
    """Means over the first and the last tenth of each run, as far as it went; None where none."""
    tenths = [(course, -(-len(course) // 10)) for course in courses if course]
    if not tenths:
        return None
    return [
        fmean(fmean(course[:count]) for course, count in tenths),
        fmean(fmean(course[-count:]) for course, count in tenths),
    ]


def tables(rows):
    """One table a game."""
    columns = {
        "network": "arm",
        "score": lambda row: number(row.score, row.score_deviation),
        "games": "games",
        "entropy": lambda row: _course(row.entropy, ".2f"),
        "gradient norm": lambda row: _course(row.gradient_norm, ".2g"),
        "diverged": lambda row: f"{row.diverged} of {row.seeds}",
    }
    return [
        listed(f"Reinforcement learning: {environment}", group, columns, notes=_notes(group))
        for environment, group in each(rows, "environment")
    ]


def _course(ends, form):
    return "-" if ends is None else " to ".join(format(end, form) for end in ends)


def _notes(rows):
    paper = dataclasses.asdict(ActorCriticRun())
    note = (
        f"Score: mean of the last {LAST} games that a run ended, or of all, mean ± standard "
        f"deviation over {seeds_of(rows)}. Entropy of the policy in nats and norm of the gradient "
        "before clipping: means over the first and the last tenth of the training. Diverged: loss "
        "or gradient is not finite, which ends a run."
    )
    return (note, *differences(rows, DESIGN, lambda row: paper))


def figures(records):
    """One picture a game: the score against steps."""
    found = {}
    for environment, group in each(_named(records), "environment"):
        arms = {arm: _curve(same.to_dict("records")) for arm, same in each(group, "arm")}
        found[f"init_pong_{environment}"] = (
            f"Mean score of the games that end, against steps, on {environment}.",
            drawing("lines", {environment: arms}, "steps", "score of a game"),
        )
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
            found.setdefault(end, []).append(fmean(scores))
    return dict(sorted(found.items()))


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
