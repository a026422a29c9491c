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

import keras
import numpy as np

import keras_reinit as kr
from experiments import data
from experiments.engine.errors import UsageError
from experiments.engine.run import Run, forget_networks, keep_network
from experiments.training import methods, protocol
from keras_reinit.core import fold_in
from keras_reinit.methods.table import of_paper

BLOCKS = {"scnn": 4, "resnet18": 8, "preact_resnet18": 8}  # of each backbone
METHODS = of_paper("zaidi2022")
SCHEDULES = ("constant", "cosine per round", "cosine")
SAMPLE_IMAGES = 256  # training images on which LW measures the output of a block


@dataclasses.dataclass(frozen=True)
class RegularizedRun(Run):
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

    task = "regularized"
    fitted = True

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

    def check(self, context):
        self.check_names(backbone=BLOCKS, method=METHODS, schedule=SCHEDULES)
        _check_rounds(self)
        if self.width != 1 and self.backbone == "scnn":
            raise UsageError(f"scnn has one width. Received: width={self.width}. Expected 1.")
        if not 0 <= self.noise <= 1:
            raise UsageError(f"Noise is a share of the labels. Received: noise={self.noise}.")
        train, _ = data.count(
            self.dataset,
            context.data_dir,
            context.download,
            self.image_size,
            self.validation,
            self.train_size,
        )
        data.check_batch(self.batch_size, train, self.dataset)

    def result(self, context, folder):
        """Train once; returns the result.

        A training whose loss is not finite ends there: it is "diverged" and has the accuracies of
        chance.
        """
        clean, part = _data(self, context)
        steps = len(part.y_train) // self.batch_size
        shape = data.input_shape(part.x_train, self.image_size)
        model, decay = _model(self, shape, part.classes, steps)
        protocol.restart(getattr(model, "student", model), self.seed, self.learning_rate)
        decay.assign(self.weight_decay)
        facts = {
            "train_images": len(part.y_train),
            "classes": part.classes,
            "wrong_labels": float(np.mean(part.y_train != clean.y_train)),
            "steps": steps * self.epochs,
        }
        try:
            _train(self, model, part, steps, folder, context.callbacks)
        except protocol.Diverged:
            forget_networks()
            return facts | {"diverged": True} | _scores(part, self, lambda x, y: 1 / part.classes)

        def accuracy(x, y):
            batches = data.evaluation_batches(x, y, image_size=self.image_size)
            return protocol.evaluate(model, batches)

        return facts | {"diverged": False} | _scores(part, self, accuracy)

    @property
    def total_steps(self):
        images = self.train_size or data.known(self.dataset)[0]
        return (images - round(images * self.validation)) // self.batch_size * self.epochs

    @property
    def step_key(self):
        distilled = "distilled" if self.distillation else "alone"
        return self.backbone, self.width, self.norm, self.image_size, self.batch_size, distilled

    def seconds_per_step(self):
        """As all runs; a distilled one has a teacher."""
        _, shape, classes = data.known(self.dataset, self.image_size)
        model, _ = _model(self, shape, classes, steps=1)
        if self.distillation:
            model.before_round(1)
        return protocol.seconds_per_step(model, shape, classes, self.batch_size)


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


@keep_network
def _compiled(backbone, shape, classes, norm, width, momentum, distillation, temperature, steps):
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
    first_epoch, backup = protocol.backup(folder)
    stop = protocol.StopOnDivergence()
    callbacks = [stop, *_method(run, part), schedule, *callbacks, *backup]
    padding = round(protocol.PADDING * data.input_shape(part.x_train, run.image_size)[0])
    stream = data.batches(
        part.x_train, part.y_train, run.batch_size, run.seed, first_epoch, run.image_size,
        run.augment, padding,
    )  # fmt: skip
    protocol.fit(model, stream, run.epochs, steps, callbacks)


def _method(run, part):
    until = kr.rounds.Fixed(run.epochs // run.rounds)
    if run.method == "BL":
        return [methods.train_once(until)]
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
