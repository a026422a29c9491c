"""Image classification in rounds, with and without regularisers, as Zaidi et al. 2022 compare them.

A run has a fixed number of epochs, which its rounds share: every method takes the same number of
optimizer steps, and the weights after the last one are scored. Regularisers are augmentation
(flips, and crops after padding by an eighth of the side: 4 on CIFAR), weight decay, a schedule of
the learning rate, and distillation from the network before the last re-initialisation. Labels may
be wrong on purpose: drawn once by the seed, those of the images held out for validation too, since
whoever has such labels has no others to choose with; test labels stay clean.

The learning rate changes from epoch to epoch. It is set after the method has put the optimizer
back, so that a cosine over the whole budget goes on across re-initialisations, while momentum
starts anew with each round.

The paper's poster gives no number of its setting: all defaults are ours.
"""

import dataclasses
import functools
import math
import shutil

import keras
import numpy as np

import keras_reinit as kr
from experiments import data, devices, methods, protocol, store
from experiments.errors import UsageError, unknown
from keras_reinit.core import fold_in

BLOCKS = {"scnn": 4, "resnet18": 8, "preact_resnet18": 8}  # of each backbone
METHODS = ("BL", "S&P", "LW", "FC", "WELSR", "WELS", "DSD")
SCHEDULES = ("constant", "cosine per round", "cosine")
SAMPLE_IMAGES = 256  # training images on which LW measures the output of a block
BACKUP_SECONDS = 60  # at least, between two backups of a run
# For a plan, which looks into no data set: images of the training split, side and classes.
TRAIN_IMAGES = {"fashion_mnist": 60_000, "mnist": 60_000, "digits": 898}
OTHER_IMAGES, SIDE, CLASSES = 50_000, 32, 10


@dataclasses.dataclass(frozen=True)
class RegularizedRun:
    """One training run.

    Args:
        dataset: as `experiments.data.load` names it.
        backbone: of `BLOCKS`.
        method: of `METHODS`. With "S&P", `shrink=0, perturb=1` and distillation the run is a
            born-again network: each round a fresh student of the round before.
        rounds: training phases, which share the epochs; 1 for "BL", for "LW" a multiple of the
            backbone's blocks.
        seed: of weights, batches, method, noise and, where it is a part, of the choice of images.
        image_size: side that images are resized to, or None to leave them as they are.
        train_size: images of the training split, those held out included, or None for all.
        validation: share of them that is held out. It decides nothing within a run.
        test_size: the first so many test images, or None for all.
        noise: exact share of labels that are drawn anew.
        exclude_true_class: whether all of these are wrong, as `kr.training.symmetric_noise`.
        epochs: of all rounds together.
        batch_size: images of a batch.
        learning_rate: of SGD, at the start.
        momentum: of SGD.
        schedule: "constant"; "cosine per round": from the learning rate to nearly 0 in each round;
            "cosine": once over all epochs.
        augment: random flips and crops.
        weight_decay: `gradient = dL/dw + weight_decay * w` for all trainable variables, as the
            optimizers of PyTorch have it.
        distillation: weight of `kr.training.SelfDistillation`; 0 for none.
        temperature: of it.
        shrink: factor on the weights, of "S&P".
        perturb: factor on the fresh draw, of "S&P".
        norm: normalisation of the backbone, "batch", "group" or None.
        width: multiplier of the filters of the residual networks; 1 is the original.
    """

    dataset: str
    backbone: str
    method: str
    rounds: int = 1
    seed: int = 0
    image_size: int | None = None
    train_size: int | None = None
    validation: float = 0.0
    test_size: int | None = None
    noise: float = 0.0
    exclude_true_class: bool = True
    epochs: int = 200
    batch_size: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    schedule: str = "constant"
    augment: bool = False
    weight_decay: float = 0.0
    distillation: float = 0.0
    temperature: float = 1.0
    shrink: float = 0.4
    perturb: float = 0.1
    norm: str | None = "batch"
    width: float = 1.0

    @property
    def spec(self):
        """The run as the store knows it."""
        return {"task": "regularized", **dataclasses.asdict(self)}


def check(spec, context):
    """Raise `UsageError` if a run cannot start; reads no image and takes no time."""
    run = _run(spec)
    for name, expected in (
        ("backbone", BLOCKS),
        ("method", METHODS),
        ("schedule", SCHEDULES),
    ):
        if getattr(run, name) not in expected:
            raise UsageError(unknown(name, getattr(run, name), expected))
    _check_rounds(run)
    if run.width != 1 and run.backbone == "scnn":
        raise UsageError(f"scnn has one width. Received: width={run.width}. Expected 1.")
    if not 0 <= run.noise <= 1:
        raise UsageError(f"Noise is a share of the labels. Received: noise={run.noise}.")
    train, _ = data.count(
        run.dataset,
        context.data_dir,
        context.download,
        run.image_size,
        run.validation,
        run.train_size,
    )
    if run.batch_size > train:
        raise UsageError(
            f"A batch is larger than the training set. Received: batch_size={run.batch_size} for "
            f"{train} images of '{run.dataset}'. Expected at most as many."
        )


def _check_rounds(run):
    if run.rounds < 1 or run.epochs % run.rounds:
        raise UsageError(
            f"Rounds share the epochs equally. Received: rounds={run.rounds}, epochs={run.epochs}. "
            "Expected epochs that are a multiple of the rounds."
        )
    if run.method == "BL" and run.rounds > 1:
        raise UsageError(f"BL has one round. Received: rounds={run.rounds}.")
    blocks = BLOCKS[run.backbone]
    if run.method == "LW" and run.rounds % blocks:
        raise UsageError(
            f"LW has one or more rounds a block. Received: rounds={run.rounds} for the {blocks} "
            f"blocks of {run.backbone}. Expected a multiple of {blocks}."
        )
    if run.rounds == 1 and run.distillation:
        raise UsageError(
            "The first round has no teacher. Received: "
            f"distillation={run.distillation}, rounds=1. Expected several rounds, or 0."
        )


def execute(spec, context):
    """Train once; returns the result.

    A training whose loss is not finite ends there: it is "diverged" and has the accuracies of
    chance.

    Raises:
        UsageError: as `check`.
    """
    check(spec, context)
    run = _run(spec)
    clean, part = _data(run, context)
    steps = len(part.y_train) // run.batch_size
    shape = data.input_shape(part.x_train, run.image_size)
    model, decay = _model(run, shape, part.classes, steps)
    protocol.restart(getattr(model, "student", model), run.seed, run.learning_rate)
    decay.assign(run.weight_decay)
    folder = None if context.backups is None else context.backups / store.digest(run.spec)
    facts = {
        "train_images": len(part.y_train),
        "classes": part.classes,
        "wrong_labels": float(np.mean(part.y_train != clean.y_train)),
        "steps": steps * run.epochs,
    }
    try:
        _train(run, model, part, steps, folder, context.callbacks)
    except protocol.Diverged:
        _compiled.cache_clear()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        return facts | {"diverged": True} | _scores(part, run, lambda x, y: 1 / part.classes)
    except Exception:
        _compiled.cache_clear()  # whatever a training that broke off has left in the model
        raise

    def accuracy(x, y):
        batches = data.evaluation_batches(x, y, image_size=run.image_size)
        return protocol.evaluate(model, batches)

    return facts | {"diverged": False} | _scores(part, run, accuracy)


def steps(spec):
    """The optimizer steps of a run."""
    run = _run(spec)
    images = run.train_size or TRAIN_IMAGES.get(run.dataset, OTHER_IMAGES)
    return (images - round(images * run.validation)) // run.batch_size * run.epochs


def step_key(spec):
    """Runs with the same key take the same time for a step."""
    run = _run(spec)
    distilled = "distilled" if run.distillation else "alone"
    return run.backbone, run.width, run.norm, run.image_size, run.batch_size, distilled


def seconds_per_step(spec):
    """The time of an optimizer step, measured on random images; distilled ones have a teacher."""
    run = _run(spec)
    shape = (*[run.image_size or SIDE] * 2, 3)
    model, _ = _model(run, shape, CLASSES, steps=1)
    if run.distillation:
        model.before_round(1)
    return protocol.seconds_per_step(model, shape, CLASSES, run.batch_size)


def _run(spec):
    return RegularizedRun(**{name: value for name, value in spec.items() if name != "task"})


def _data(run, context):
    """The images of a run as they are, and with their noisy labels."""
    whole = data.load(
        run.dataset, context.data_dir, context.download, run.image_size, run.validation
    )
    clean = data.subset(whole, run.train_size, run.seed)

    def noisy(labels, split):
        seed = fold_in(run.seed, split)
        return kr.training.symmetric_noise(
            labels, run.noise, clean.classes, seed, run.exclude_true_class
        )

    return clean, dataclasses.replace(
        clean,
        y_train=noisy(clean.y_train, "train"),
        y_validation=noisy(clean.y_validation, "validation"),
    )


# The network.


def _model(run, shape, classes, steps):
    """A compiled network for all runs that differ in nothing it is made of, and its decay."""
    return _compiled(
        run.backbone, shape, classes, run.norm, run.width, run.momentum, run.distillation,
        run.temperature, steps,
    )  # fmt: skip


@functools.lru_cache(maxsize=1)
def _compiled(backbone, shape, classes, norm, width, momentum, distillation, temperature, steps):
    devices.clear_session()
    options = {} if width == 1 else {"width": width}
    network = getattr(kr.backbones, backbone)(shape, classes, norm, weight_decay=0.0, **options)
    model = kr.ReinitModel(network)
    decay = protocol.Decay()
    for variable in model.trainable_variables:
        variable.regularizer = decay
    if distillation:
        model = kr.training.SelfDistillation(model, distillation, temperature)
    protocol.compile_for(model, keras.optimizers.SGD(momentum=momentum), steps)
    return model, decay.factor


# The training.


def _train(run, model, part, steps, folder, callbacks):
    schedule = keras.callbacks.LearningRateScheduler(functools.partial(_rate, run))
    callbacks = [protocol.StopOnDivergence(), *_method(run, part), schedule, *callbacks]
    first_epoch = 0
    if folder is not None:
        backup = kr.callbacks.Backup(folder, interval=BACKUP_SECONDS)
        first_epoch = backup.next_epoch
        callbacks.append(backup)
    padding = round(protocol.PADDING * data.input_shape(part.x_train, run.image_size)[0])
    stream = data.batches(
        part.x_train, part.y_train, run.batch_size, run.seed, first_epoch, run.image_size,
        run.augment, padding,
    )  # fmt: skip
    protocol.fit(model, stream, run.epochs, steps, callbacks)


def _method(run, part):
    until = kr.rounds.Fixed(run.epochs // run.rounds)
    if run.method == "BL":
        return [methods.TrainOnce(until)]
    if run.method == "S&P":
        return [
            kr.callbacks.ShrinkPerturb(
                run.shrink, run.perturb, until=until, rounds=run.rounds, seed=run.seed
            )
        ]
    sample = next(iter(data.one_batch(part.x_train[:SAMPLE_IMAGES], run.image_size)))
    iterations = run.rounds // BLOCKS[run.backbone]
    return methods.callbacks(run.method, until, run.rounds, iterations, sample, run.seed)


def _rate(run, epoch, before=None):
    """The learning rate of an epoch, from 0; `before` is what Keras passes, the rate so far."""
    if run.schedule == "constant":
        return run.learning_rate
    period = run.epochs // run.rounds if run.schedule == "cosine per round" else run.epochs
    return run.learning_rate * (1 + math.cos(math.pi * (epoch % period) / period)) / 2


def _scores(part, run, accuracy):
    """Accuracies of each part; of validation where there is one. Only test labels are clean."""
    test = slice(run.test_size)
    scores = {
        "test_accuracy": accuracy(part.x_test[test], part.y_test[test]),
        "train_accuracy": accuracy(part.x_train, part.y_train),
    }
    if len(part.y_validation):
        scores["validation_accuracy"] = accuracy(part.x_validation, part.y_validation)
    return scores
