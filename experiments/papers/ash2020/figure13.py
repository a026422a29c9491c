"""A stream of 1000 reviews a stage, and a two-layer bidirectional RNN.

Paper: Ash & Adams 2020, Figure 13.
Command: `python -m experiments run warm_figure13 --size smoke`
Cost: smoke, 9 runs of a narrow LSTM on 32 words: 10 minutes on two CPU cores. Paper, 25 runs
of 17 stages: accelerators.

IMDB's reviews, good or bad. The paper gives neither the cell nor sizes, vocabulary, length or
perturbation: LSTM, 64 units, 5000 words of the training texts, the first 256 of a review and 0.01
are ours. Published as a picture only: warm starts are far worse than random ones; shrinking and
perturbing makes up for it.
"""

import dataclasses

from experiments.engine.settings import option
from experiments.papers.ash2020.streams import StreamSettings, stream_experiment


@dataclasses.dataclass(frozen=True)
class Settings(StreamSettings):
    """What the command line can change: the defaults are the paper's, or ours where it has none."""

    dataset: tuple[str, ...] = option(("imdb_reviews",), "TFDS names of sets of texts")
    network: tuple[str, ...] = option(("birnn",), "networks", choices=("birnn",))
    shrink: tuple[float, ...] = option((0.8, 0.6, 0.4), "factors on weights", None, 0)
    perturb: tuple[float, ...] = option((0.01,), "factors on the fresh draw", None, 0)
    length: int = option(256, "words of a review", minimum=1)


EXPERIMENT = stream_experiment(
    "warm_figure13",
    item="Figure 13",
    title="a stream of texts, bidirectional RNN",
    sizes={
        "smoke": Settings(
            dataset=("imdb_reviews_labelled",),
            shrink=(0.4,),
            perturb=(0.1,),
            seeds=3,
            train_size=4500,
            width=0.25,
            length=32,
            patience=30,
        ),
        "paper": Settings(),
    },
    cost={
        "smoke": "9 runs, 10 minutes on two CPU cores",
        "paper": "25 runs of 17 stages: accelerators",
    },
)
