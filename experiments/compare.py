"""The main job: the same network, data and budget for every method; which one is better?

Command: `python -m experiments compare`
Cost: 84 runs (7 methods, 12 seeds) on 50 of scikit-learn's digits: 4 minutes on two CPU cores.
On a set of TFDS: `python -m experiments compare --dataset cmaterdb --data-dir DIR`

The default learning rate was chosen on seeds 0 to 5 among .003, .005, .01, .02 and .05, and the
number of images after a look at results too, so the p-values of the default run are optimistic. On
the seeds 6 to 11 alone, first run at this rate after the choice, S&P gains 1.5 points (6 of 6) and
LW 1.1 (5 of 6).
"""

import dataclasses
import time

from experiments.errors import UsageError
from experiments.options import option

METHODS = ("BL", "FC", "WELSR", "WELS", "DSD", "LW", "S&P")
BACKBONES = ("scnn", "mlp", "vgg16", "mobilenet", "resnet50")
SAMPLE_IMAGES = 256  # training images on which LW measures the output of a block
POINTS = 3  # evaluations within a round, for the learning curves
CURVE_IMAGES = 500  # test images that they look at; the table is measured on all


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the command line can change."""

    dataset: str = option("digits", "scikit-learn's digits, or the TFDS name of an image set")
    data_dir: str | None = option(None, "TFDS folder (default: TFDS's own)", kind=str)
    download: bool = option(False, "prepare the data set over the network where it is missing")
    image_size: int | None = option(
        None, "side of the square that images are resized to (default: as they are)", None, 4, int
    )
    method: tuple[str, ...] = option(METHODS, "methods", choices=METHODS)
    backbone: str = option("scnn", "network", choices=BACKBONES)
    seeds: int = option(12, "number of seeds, from 0", minimum=1)
    train_size: int = option(50, "training images, drawn anew for every seed", minimum=1)
    rounds: int | None = option(
        None, "training phases of every method (default: one a block)", None, 1, int
    )
    epochs: int = option(40, "epochs of a round; BL trains epochs * rounds at once", minimum=1)
    batch_size: int = option(25, "images of a batch", minimum=1)
    learning_rate: float = option(0.005, "learning rate of SGD with momentum 0.9", minimum=0.0)
    out: str = option("results/compare", "folder for runs.csv, runs.json and the pictures")


def check(settings):
    """Refuses settings that cannot work.

    Raises:
        UsageError: if a batch is larger than the training set.
    """
    if settings.batch_size > settings.train_size:
        raise UsageError(
            f"A batch cannot hold more images than there are. Received: batch_size="
            f"{settings.batch_size}, train_size={settings.train_size}. "
            "Expected batch_size <= train_size."
        )


def count(settings):
    """The number of runs."""
    return settings.seeds * len(settings.method)


def run(settings, callbacks=()):
    """Train every method on every seed; yields one record a run."""
    import keras

    import keras_reinit as kr
    from experiments import data, protocol

    whole = data.load(settings.dataset, settings.data_dir, settings.download, settings.image_size)
    backbone = getattr(kr.backbones, settings.backbone)(whole.x_train.shape[1:], whole.classes)
    model = kr.ReinitModel(backbone)
    rounds = _rounds(settings, len(model.blocks))
    steps = settings.train_size // settings.batch_size
    protocol.compile_for(model, keras.optimizers.SGD(settings.learning_rate, 0.9), steps)
    test = data.evaluation_batches(whole.x_test, whole.y_test)
    glimpse = data.evaluation_batches(whole.x_test[:CURVE_IMAGES], whole.y_test[:CURVE_IMAGES])
    for seed in range(settings.seeds):
        part = data.subset(whole, settings.train_size, seed)
        stream = data.batches(part.x_train, part.y_train, settings.batch_size, seed)
        train = data.evaluation_batches(part.x_train, part.y_train)
        sample = data.one_batch(part.x_train[:SAMPLE_IMAGES])
        for method in settings.method:
            start = time.perf_counter()
            protocol.restart(model, seed)
            curve = _fit(model, stream, glimpse, method, sample, seed, rounds, settings, callbacks)
            yield {
                "method": method,
                "dataset": settings.dataset,
                "backbone": settings.backbone,
                "train_size": settings.train_size,
                "rounds": rounds,
                "epochs": settings.epochs,
                "seed": seed,
                "test_accuracy": protocol.evaluate(model, test),
                "train_accuracy": protocol.evaluate(model, train),
                "seconds": round(time.perf_counter() - start, 2),
                "curve": curve,
            }


def _fit(model, stream, glimpse, method, sample, seed, rounds, settings, callbacks):
    """Train by one method; returns the learning curve, a list of [epoch, accuracy]."""
    import keras_reinit as kr
    from experiments import methods, protocol

    reinitialization = methods.callbacks(
        method,
        until=kr.rounds.Fixed(epochs=settings.epochs),
        rounds=rounds,
        iterations=rounds // len(model.blocks),
        sample=sample,
        seed=seed,
    )
    evaluated = _evaluated(rounds, settings.epochs)
    history = protocol.fit(
        model,
        stream,
        epochs=rounds * settings.epochs,
        steps=settings.train_size // settings.batch_size,
        callbacks=[*reinitialization, *callbacks],
        validation_data=glimpse,
        validation_freq=evaluated,
    ).history
    return [list(point) for point in zip(evaluated, history["val_accuracy"], strict=True)]


def _rounds(settings, blocks):
    """The rounds of all methods; LW needs a multiple of the blocks."""
    rounds = blocks if settings.rounds is None else settings.rounds
    if "LW" in settings.method and rounds % blocks:
        raise UsageError(
            f"LW has one or more rounds a block. Received: rounds={rounds} for a network of "
            f"{blocks} blocks. Expected a multiple of {blocks}."
        )
    return rounds


def _evaluated(rounds, epochs):
    """Epochs, from 1, after which the test set is looked at: the last of each round among them."""
    within = sorted({round(epochs * point / POINTS) for point in range(1, POINTS + 1)} - {0})
    return [start * epochs + epoch for start in range(rounds) for epoch in within]


def summarize(runs):
    """One row a method: mean, deviation, gain over BL and its significance."""
    from experiments.report import against_baseline

    scores: dict = {}
    train: dict = {}
    for record in runs:
        scores.setdefault(record["method"], {})[record["seed"]] = record["test_accuracy"]
        train.setdefault(record["method"], []).append(record["train_accuracy"])
    rows = against_baseline(scores)
    for row in rows:
        row["train_accuracy_mean"] = sum(train[row["method"]]) / len(train[row["method"]])
    return rows


def report(summary, settings):
    """The table as text."""
    from experiments.report import percent, seeds_needed, table, wrapped

    header = [
        "method",
        "seeds",
        "test [%]",
        "gain over BL",
        "won-lost",
        "p (Holm)",
        "significant",
        "train [%]",
    ]
    body = []
    for row in summary:
        tested = "gain" in row
        body.append(
            [
                row["method"],
                str(row["seeds"]),
                percent(row["mean"], row["deviation"]),
                percent(row["gain"], row["gain_deviation"], signed=True) if tested else "",
                f"{row['wins']}-{row['losses']}" if tested else "",
                f"{row['p_holm']:.3f}" if tested else "",
                ("yes" if row["significant"] else "no") if tested else "",
                percent(row["train_accuracy_mean"]),
            ]
        )
    lines = [
        f"{settings.backbone} on {settings.train_size} training images of {settings.dataset}, "
        "equal budget for every method",
        table(header, body),
        wrapped(
            "Mean ± standard deviation over seeds; a seed fixes images, first weights and batches "
            "for all methods. Significant: better than BL by the exact one-sided sign test over "
            "seeds, ties dropped, Holm's correction over the methods, 5 % level."
        ),
    ]
    comparisons = sum("gain" in row for row in summary)
    if comparisons and max(row["seeds"] for row in summary) < seeds_needed(comparisons):
        lines.append(
            f"Too few seeds: a gain can be significant from {seeds_needed(comparisons)} seeds on "
            f"(methods compared with BL: {comparisons})."
        )
    return "\n".join(lines)


def draw(runs, settings, folder):
    """The learning curves (on `CURVE_IMAGES` test images) and the bar chart, as PNG files."""
    from experiments import figures

    title = f"{settings.backbone}, {settings.train_size} training images of {settings.dataset}"
    curves: dict = {}
    for record in runs:
        curves.setdefault(record["method"], []).append(record["curve"])
    rounds, epochs = runs[0]["rounds"], runs[0]["epochs"]
    ends = [epochs * number for number in range(1, rounds)]
    seen = f"{title}\nmeasured on at most {CURVE_IMAGES} test images"
    figures.learning_curves(folder / "learning_curves.png", curves, ends, seen)
    figures.bars(folder / "accuracy.png", summarize(runs), title)
