"""How the norm of activations and of gradients changes with depth, for each initialisation.

Paper: Arpit et al. 2019, propagation (Figure 1, which is not on the poster).
Command: `python -m experiments run init_propagation --size smoke`
Cost: smoke, 60 runs: 19 minutes of a busy CPU core. Paper, 120 runs: 15 minutes there
(estimated).

Examples and, as in the authors' public program (github.com/victorcampos7/weightnorm-init), the
gradient at the last layer are standard normal vectors. The MLP has 20 layers, the residual network
one stage of 40 blocks and no stem; units are drawn around 200 (+-50) and 1000 (+-50). The small
size goes further: 200 layers and 1000 blocks. Published as a picture only, with "proposed",
"proposed, He" and "He, g = 1". In theory the proposed scheme keeps the norm of activations in an
MLP, its backward form that of gradients, and in a residual stage both norms grow by a factor of
sqrt(2) to sqrt(e). The backward form is for the MLP alone: in blocks that end as wide as they begin
it is the same.
"""

import dataclasses
import itertools
import math
from statistics import fmean
from typing import Any

from experiments.engine.experiment import Experiment
from experiments.engine.settings import option
from experiments.papers.arpit2019 import networks
from experiments.papers.arpit2019.propagation_run import NETWORKS, PropagationRun
from experiments.report.pictures import drawing
from experiments.report.statistics import deviation, each, first, seeds_of, summary
from experiments.report.tables import Cell, Table

BACKWARD = "proposed, backward"
SHARED = ("proposed", "proposed, He", "data-dependent", "PyTorch default", "He, g = 1")
ARMS = {"mlp": (*SHARED, BACKWARD), "residual": (*SHARED, "Hanin")}
TITLES = {"mlp": "MLP of {} layers", "residual": "Residual network of {} blocks"}
STATES = {
    "mlp": ("|h_L| / |x|", "|dL/da_1| / |dL/da_L|"),
    "residual": ("|h_B| / |x|", "|dL/dh_1| / |dL/dh_B|"),
}
STAGE = "1.41 to 1.65"  # sqrt(2) to sqrt(e)
EXPECTED = {  # by theory: the norm of activations, that of gradients
    ("mlp", "proposed"): ("1", ""),
    ("mlp", "proposed, He"): ("1", ""),
    ("mlp", BACKWARD): ("", "1"),
    ("residual", "proposed"): (STAGE, STAGE),
    ("residual", "proposed, He"): (STAGE, STAGE),
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the command line can change: the defaults are the paper's."""

    network: tuple[str, ...] = option(NETWORKS, "networks", choices=NETWORKS)
    layers: tuple[int, ...] = option((20,), "layers of the MLP", minimum=2)
    blocks: tuple[int, ...] = option((40,), "blocks of the residual network", minimum=2)
    width: tuple[int, ...] = option((200, 1000), "units that are drawn around", minimum=1)
    spread: int = option(50, "at most so many fewer or more", minimum=0)
    inputs: int = option(500, "entries of an example", minimum=1)
    samples: int = option(1000, "number of examples", minimum=2)
    seeds: int = option(5, "number of seeds, from 0 (ours)", minimum=1)
    deep: int = option(300, "from so many layers or blocks on, one seed", minimum=2)


def runs(settings):
    """One run a network, depth, width, seed and arm; those of one network follow each other."""
    common: dict[str, Any] = {
        name: getattr(settings, name) for name in ("spread", "inputs", "samples")
    }
    depths = {"mlp": settings.layers, "residual": settings.blocks}
    return [
        PropagationRun(network, depth, width, seed=seed, **_arguments(arm), **common).spec
        for network in settings.network
        for depth, width in itertools.product(depths[network], settings.width)
        for seed in range(1 if depth >= settings.deep else settings.seeds)
        for arm in ARMS[network]
    ]


def _arguments(arm):
    values = networks.ARMS["proposed" if arm == BACKWARD else arm]
    direction = "backward" if arm == BACKWARD else "forward"
    return {"scheme": values["scheme"], "v": values["v"], "direction": direction}


def _arm(record):
    if record["direction"] == "backward":
        return BACKWARD
    return networks.arm_of(record)


def summarize(records):
    """One row a network, depth, width and arm: the norms at both ends, and their growth a layer."""
    runs = []
    for run in records:
        ends = {"forward": run["forward"][-1], "backward": run["backward"][0]}
        layers = {"forward": run["depth"], "backward": run["depth"] - 1}
        growth = {f"{way}_growth": end ** (1 / layers[way]) for way, end in ends.items()}
        runs.append(run | {"arm": _arm(run)} | ends | growth)
    columns: dict = {}
    for way in ("forward", "backward"):
        columns |= {way: fmean, f"{way}_deviation": (way, deviation), f"{way}_growth": fmean}
    place = ("network", "depth", "width", "arm")
    return summary(runs, place, score="forward", samples=first, **columns)


def tables(rows):
    """One table a network, depth and width."""
    found = []
    for (network, depth, width), members in each(rows, "network", "depth", "width"):
        unit = "a layer" if network == "mlp" else "a block"
        notes = (
            "Norms at the end and, of gradients, at the beginning: means over "
            f"{members['samples'].iloc[0]} examples, then over {seeds_of(members)}, ± "
            f"standard deviation; beside them by what factor they change {unit}. Published: what "
            "theory says.",
        )
        ahead, back = STATES[network]
        header = ("arm", ahead, unit, back, unit)
        title = f"{TITLES[network].format(depth)}, width {width}"
        body = tuple(map(_line, members.itertuples()))
        found.append(Table(title, header, body, notes=notes))
    return found


def _line(row):
    ahead, back = EXPECTED.get((row.network, row.arm), ("", ""))
    return (
        row.arm,
        Cell(_norm(row.forward, row.forward_deviation), ahead),
        f"{row.forward_growth:.4f}",
        Cell(_norm(row.backward, row.backward_deviation), back),
        f"{row.backward_growth:.4f}",
    )


def _norm(mean, spread):
    return f"{mean:.3g}" + ("" if spread is None else f" ± {spread:.2g}")


def figures(records):
    """One picture a network, depth and width: activations, and gradients."""
    found = {}
    for (network, depth, width), members in each(records, "network", "depth", "width"):
        place = "layer" if network == "mlp" else "block"
        draw = drawing("lines", _courses(members), place, "log₁₀ of the norm")
        caption = (
            f"{TITLES[network].format(depth)}, width {width}: norms against the layer, activations "
            "relative to the input, gradients to the last one."
        )
        found[f"init_propagation_{network}_{depth}_{width}"] = (caption, draw)
    return found


def _courses(runs):
    """The logarithms of the norms at each layer, as far as none is 0."""
    arms = list(each([run | {"arm": _arm(run)} for run in runs.to_dict("records")], "arm"))
    return {
        title: {
            arm: {
                layer: list(map(math.log10, norms))
                for layer, norms in enumerate(zip(*same[way], strict=True), start=1)
                if min(norms) > 0
            }
            for arm, same in arms
        }
        for title, way in (("activations", "forward"), ("gradients", "backward"))
    }


EXPERIMENT = Experiment(
    paper=networks.PAPER,
    item="propagation",
    title="norms of activations and gradients against depth, for each initialisation",
    sizes={
        "smoke": Settings(layers=(20, 200), blocks=(40, 1000), width=(200,), samples=200, seeds=3),
        "paper": Settings(),
    },
    cost={
        "smoke": "60 runs, 19 minutes of a busy CPU core",
        "paper": "120 runs, 15 minutes on one CPU core (estimated)",
    },
    runs=runs,
    summarize=summarize,
    tables=tables,
    figures=figures,
)
