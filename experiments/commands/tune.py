"""A search for a method and its parameters with KerasTuner, on a part of an image set.

Command: `python -m experiments tune`
Cost: 20 trials of 40 epochs on 200 of scikit-learn's digits: 4 minutes on a CPU core.
On a set of TFDS: `python -m experiments tune --dataset fashion_mnist --data-dir DIR`

A trial is scored by the accuracy of its last round on images held out of the training split; the
test set is looked at once, with the best trial's network. The same command goes on with a search
that was stopped. Several processes share one search by KerasTuner's own variables: the same command
with KERASTUNER_ORACLE_IP, KERASTUNER_ORACLE_PORT and KERASTUNER_TUNER_ID, "chief" for one of them.
"""

import dataclasses
import json
import os
import pathlib
import statistics
import sys

from experiments.commands.compare import BLOCKS, METHODS
from experiments.engine import folders
from experiments.engine.errors import UsageError
from experiments.engine.experiment import Context
from experiments.engine.files import versions, write, write_csv, write_json
from experiments.engine.settings import chosen, option
from experiments.report.statistics import each, percent
from experiments.report.tables import Cell, Table
from keras_reinit.methods import METHODS as ALL_METHODS

TUNERS = {
    "random": "RandomSearch",
    "bayesian": "BayesianOptimization",
    "hyperband": "Hyperband",
}
OBJECTIVE = "val_accuracy"
ROUNDS, ITERATIONS = 10, 3  # at most, where the epochs suffice
PARAMETERS = (
    "method", "rounds", "iterations", "shrink", "perturb", "fraction", "learning_rate",
    "weight_decay",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the command line can change."""

    dataset: str = option("digits", "scikit-learn's digits, or the TFDS name of an image set")
    image_size: int | None = option(
        None, "side of the square that images are resized to (default: as they are)", None, 4, int
    )
    method: tuple[str, ...] = option(METHODS, "methods", choices=tuple(ALL_METHODS))
    backbone: str = option("scnn", "network", choices=tuple(BLOCKS))
    tuner: str = option("random", "random, bayesian or hyperband", choices=tuple(TUNERS))
    trials: int = option(20, "number of trials; hyperband has a number of its own", minimum=1)
    executions: int = option(1, "trainings of a trial, whose scores are averaged", minimum=1)
    epochs: int = option(40, "epochs of a trial, which its rounds share", minimum=2)
    train_size: int = option(400, "training images, those held out included", minimum=2)
    validation: float = option(
        0.5, "share of them that is held out, for the score", minimum=0.0, below=1
    )
    batch_size: int = option(25, "images of a batch", minimum=1)
    seed: int = option(0, "of the search, the choice of images, the weights", minimum=0)


def check(settings, context):
    """Raise `UsageError` if the search cannot start; reads no image and takes no time.

    Args:
        settings: `Settings`.
        context: `experiments.engine.experiment.Context`.
    """
    from experiments import data

    try:
        import keras_reinit.tuner  # noqa: F401
    except ImportError as error:
        raise UsageError(str(error)) from error
    train, validation = data.count(
        settings.dataset,
        context.data_dir,
        context.download,
        settings.image_size,
        settings.validation,
        settings.train_size,
    )
    if not validation:
        raise UsageError(
            "Trials are scored on images that are held out. Received: "
            f"validation={settings.validation}, train_size={settings.train_size}, which holds out "
            "none. Expected a larger share, such as --validation 0.5."
        )
    if settings.batch_size > train:
        raise UsageError(
            f"A batch is larger than the training set. Received: batch_size={settings.batch_size} "
            f"for {train} images. Expected at most as many."
        )
    blocks = BLOCKS[settings.backbone]
    if "LW" in settings.method and settings.epochs < blocks:
        raise UsageError(
            f"LW has a round for each block. Received: epochs={settings.epochs} for the {blocks} "
            f"blocks of {settings.backbone}. Expected at least as many epochs, or --method without "
            "LW."
        )


def search(settings, context, folder):
    """Do what is missing of a search.

    Args:
        settings: `Settings`.
        context: `experiments.engine.experiment.Context`.
        folder: where the search is kept.

    Returns:
        The trials as `keras_reinit.tuner.trials` gives them and the test accuracy of the best one's
        network (None where no trial was completed); or None in a process that is but a worker of
        the search.

    Raises:
        UsageError: as `check`, or if another search is in the folder.
    """
    check(settings, context)
    _remember(settings, folder)
    import keras
    import keras_tuner

    import keras_reinit as kr
    from experiments import data
    from experiments.training import protocol

    whole = data.load(
        settings.dataset,
        context.data_dir,
        context.download,
        settings.image_size,
        settings.validation,
    )
    part = data.subset(whole, settings.train_size, settings.seed)
    steps = len(part.x_train) // settings.batch_size
    shape = data.input_shape(part.x_train, settings.image_size)

    def build(hp):
        model = getattr(kr.backbones, settings.backbone)(shape, part.classes)
        protocol.compile_for(model, keras.optimizers.SGD(momentum=0.9), steps)
        return model

    class Reported(kr.tuner.ReinitHyperModel):
        """Says how each training ends."""

        def fit(self, hp, model, *args, **kwargs):
            scores = super().fit(hp, model, *args, **kwargs)
            print(f"{hp.get('method')}: {percent(scores[OBJECTIVE])} %", file=sys.stderr)
            return scores

    tuner = getattr(keras_tuner, TUNERS[settings.tuner])(
        Reported(
            build,
            settings.method,
            rounds=_range(2, min(ROUNDS, settings.epochs)),
            iterations=_range(1, min(ITERATIONS, settings.epochs // BLOCKS[settings.backbone])),
            seed=settings.seed,
        ),
        keras_tuner.Objective(OBJECTIVE, "max"),
        **_size(settings),
        executions_per_trial=settings.executions,
        max_consecutive_failed_trials=sys.maxsize,  # a trial that fails does not stop the others
        seed=settings.seed + 1,  # KerasTuner takes 0 for none
        directory=folder,
        project_name="search",
    )

    def evaluation(x, y):
        return data.evaluation_batches(x, y, image_size=settings.image_size)

    tuner.search(
        data.batches(
            part.x_train, part.y_train, settings.batch_size, settings.seed,
            image_size=settings.image_size,
        ),
        epochs=settings.epochs,
        steps_per_epoch=steps,
        validation_data=evaluation(part.x_validation, part.y_validation),
        shuffle=False,
        verbose=0,
    )  # fmt: skip
    if os.environ.get("KERASTUNER_ORACLE_IP") and not _is_chief():
        return None
    trials = kr.tuner.trials(tuner)
    accuracy = None
    if trials[0]["score"] is not None:
        best = tuner.load_model(tuner.oracle.trials[trials[0]["trial"]])
        accuracy = protocol.evaluate(best, evaluation(part.x_test, part.y_test))
    return trials, accuracy


def tables(settings, trials, accuracy):
    """The trials, the best first, and the best of each method.

    Args:
        settings: `Settings`.
        trials: as `search` gives them.
        accuracy: of the best network on the test set, or None.

    Returns:
        A list of `report.tables.Table`s.
    """
    finished = [trial for trial in trials if trial["score"] is not None]
    names = [name for name in ("epochs", *PARAMETERS) if any(trial.get(name) for trial in trials)]
    header = ("trial", "score [%]", *(name.replace("_", " ") for name in names))
    body = [
        (
            trial["trial"],
            trial["status"] if trial["score"] is None else percent(trial["score"]),
            *(_text(trial.get(name)) for name in names),
        )
        for trial in trials
    ]
    notes = [f"Score: accuracy of the last round on {_held_out(settings)} images held out."]
    if accuracy is not None:
        notes.append(
            f"The network of trial {trials[0]['trial']} has {percent(accuracy)} % on the test set."
        )
    notes += [f"- {trial['trial']}: {trial['error']}" for trial in trials if trial["error"]]
    found = [Table(title(settings), header, tuple(body), notes=tuple(notes))]
    rows = [(method, list(same["score"])) for method, same in each(finished, "method")]
    rows.sort(key=lambda row: -row[1][0])
    body = [
        (
            method,
            str(len(scores)),
            Cell(percent(scores[0]), best=method == rows[0][0]),
            percent(statistics.median(scores)),
        )
        for method, scores in rows
    ]
    note = "The best of several trials is optimistic, the more so the more trials a method has."
    header = ("method", "trials", "best [%]", "median [%]")
    return [*found, Table("Scores of each method", header, tuple(body), notes=(note,))]


def title(settings):
    """What was searched, in a line."""
    trained = settings.train_size - _held_out(settings)
    return f"{settings.backbone} on {trained} training images of {settings.dataset}"


def _held_out(settings):
    return round(settings.train_size * settings.validation)


def _size(settings):
    if settings.tuner == "hyperband":
        return {"max_epochs": settings.epochs}
    return {"max_trials": settings.trials}


def _range(low, high):
    return (low, high) if low < high else low


def _is_chief():
    return "chief" in os.environ.get("KERASTUNER_TUNER_ID", "")


def _text(value):
    if value is None:
        return "-"
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def _remember(settings, folder):
    """Write the settings into the folder, or raise if those of another search are there."""
    file = pathlib.Path(folder, "settings.json")
    own = json.loads(json.dumps(dataclasses.asdict(settings)))
    own |= folders.digests(own)
    if file.exists():
        before = _read_settings(file, folder)
        differing = [
            f"{name}={value} instead of {before[name]}"
            for name, value in own.items()
            if name in before and before[name] != value
        ]
        if differing:
            raise UsageError(
                f"Another search is in the folder. Received: --out {folder}, "
                f"{', '.join(differing)}. Expected the same options, to go on with it, or another "
                "--out."
            )
    write_json(file, own)


def _read_settings(file, folder):
    try:
        found = json.loads(file.read_text())
        if isinstance(found, dict):
            return found
    except (OSError, ValueError):
        pass
    raise UsageError(
        f"The settings of the search cannot be read. Received: {file}. Expected JSON: give another "
        f"--out than {folder}, or remove the file to go on with these options."
    )


def command(options):
    """Search; print the trials and write them with their picture."""
    settings = chosen(Settings(), options)
    folder = pathlib.Path(options.out)
    found = search(settings, Context(options.data_dir, options.download), folder)
    if found is None:
        return 0
    from experiments.report import page
    from experiments.report.tables import as_text
    from keras_reinit.analysis import plots

    trials, accuracy = found
    print(*map(as_text, tables(settings, trials, accuracy)), sep="\n\n", end="\n\n")
    content = {"settings": dataclasses.asdict(settings), "versions": versions()}
    content |= {"trials": trials, "test_accuracy": accuracy}
    for file in (folder / "trials.json", *([options.json] if options.json else [])):
        write_json(file, content)
    write_csv(folder / "trials.csv", trials)
    written = ["trials.json", "trials.csv"]
    if accuracy is not None:
        heading = f"{title(settings)}\nscore: validation accuracy of the last round"
        figure = plots.parallel_coordinates(trials, PARAMETERS, heading)
        write(folder / "trials.png", page.picture(figure)[0])
        written.append("trials.png")
    print(f"Written: {folder}/", ", ".join(written))
    return int(any(trial["score"] is None for trial in trials))
