"""Image classification by the protocol of Alabdulmohsin et al. 2021, Section 3 and Appendix B.

SGD with momentum; the learning rate is halved after 20 epochs without a better validation error; a
round ends `patience` epochs after its best one, or at its limit of steps, and goes on from its best
weights. The baseline has one round with the limit of all rounds together. The paper names no
patience: 60 epochs are ours.

A result holds what the figures need, too: the course of training, the smallest softmax margins on
the training images, the sharpness of the minimum, and the size of the weights.
"""

import dataclasses

import keras
import numpy as np

import keras_reinit as kr
from experiments import data
from experiments.engine.errors import UsageError
from experiments.engine.run import Run, keep_network
from experiments.training import methods, protocol
from experiments.training.lines import Lines

BLOCKS = {"scnn": 4, "vgg16": 13, "mobilenet": 7, "resnet50": 16}
LR_PATIENCE = 20  # epochs without a better validation error until the learning rate is halved
SAMPLE_IMAGES = 256  # training images on which LW measures the output of a block (ours)
ANALYZED_IMAGES = 2000  # at most so many training images are analysed
MARGINS = 400  # of the smallest margins are kept, as in Figure 6
SIGMAS = (0.0025, 0.005, 0.01, 0.02, 0.04)  # of the noise on the weights; the paper names none
NOISE_DRAWS = 3
TEST_CURVE_IMAGES = 500  # of the test set, looked at where a run asks for its test curve
PROBE_IMAGES = 8  # in the timed batch; large images at batch 256 need an accelerator's memory
PROBE_SHAPE = (3, 100)  # its channels and classes


@dataclasses.dataclass(frozen=True)
class ImageRun(Run):
    """One training run; the defaults are the paper's, with augmentation (Table 2).

    Args:
        dataset: as `experiments.data.load` names it.
        backbone: "scnn", "vgg16", "mobilenet" or "resnet50".
        method: as `experiments.training.methods.callbacks` names it.
        seed: of weights, batches, method and, where it is a part, of the choice of images.
        image_size: side that images are resized to.
        train_size: images of the training split, those held out included, or None for all.
        validation: share of them that is held out for early stopping.
        test_size: the first so many test images, or None for all.
        augment: random flips, and crops after enlarging by 248 / 224.
        dropout: rate before the head.
        initializer: of all kernels.
        norm: normalisation of the backbone, "group", "batch" or None.
        width: multiplier of a backbone's filters; 1 is the original.
        learning_rate: at the start of each round.
        momentum: of SGD.
        weight_decay: L2 penalty on the kernels.
        batch_size: images of a batch.
        steps_per_round: the most optimizer steps of a round.
        patience: epochs without a better validation error until a round ends.
        iterations: LW's N; the other methods have as many rounds as LW.
        test_curve: look at some of the test set in the course of training (it decides nothing).
    """

    task = "images"
    fitted = True

    dataset: str
    backbone: str
    method: str
    seed: int = 0
    image_size: int = 224
    train_size: int | None = None
    validation: float = 0.1
    test_size: int | None = None
    augment: bool = True
    dropout: float = 0.0
    initializer: str = "he_normal"
    norm: str | None = "group"
    width: float = 1.0
    learning_rate: float = 0.003
    momentum: float = 0.9
    weight_decay: float = 1e-5
    batch_size: int = 256
    steps_per_round: int = 100_000
    patience: int = 60
    iterations: int = 1
    test_curve: bool = False

    def check(self, context):
        train, validation = data.count(
            self.dataset,
            context.data_dir,
            context.download,
            self.image_size,
            self.validation,
            self.train_size,
        )
        if not validation:
            raise UsageError(
                "Rounds end by the validation error, which needs images. Received: "
                f"validation={self.validation}, train_size={self.train_size}, which holds out "
                f"none of '{self.dataset}'. Expected a larger share of them, such as "
                "--validation 0.5."
            )
        data.check_batch(self.batch_size, train, self.dataset)

    def result(self, context, folder):
        """Train once; returns the result."""
        whole = data.load(
            self.dataset,
            context.data_dir,
            context.download,
            self.image_size,
            self.validation,
            self.augment,
        )
        part = data.subset(whole, self.train_size, self.seed)
        steps = len(part.x_train) // self.batch_size
        model = _model(self, whole.x_train.shape[-1], whole.classes, steps)
        protocol.restart(model, self.seed, self.learning_rate)
        journal = _train(self, model, part, steps, folder, context.callbacks)
        return {
            "epochs": len(journal.entries),
            "steps": len(journal.entries) * steps,
            **_scores(self, model, part),
            **_analysis(self, model, part),
            **journal.columns(),
        }

    @property
    def total_steps(self):
        return self.steps_per_round * self.iterations * BLOCKS[self.backbone]

    @property
    def step_key(self):
        return self.backbone, self.width, self.image_size, self.batch_size, self.norm

    def seconds_per_step(self):
        """The time of an optimizer step, measured on random images.

        On a CPU the batch is cut to `PROBE_IMAGES` and the time scaled to the whole.
        """
        channels, classes = PROBE_SHAPE
        size = self.batch_size if _has_accelerator() else min(self.batch_size, PROBE_IMAGES)
        model = _model(self, channels, classes, steps=1)
        shape = (self.image_size, self.image_size, channels)
        seconds = protocol.seconds_per_step(model, shape, classes, size)
        return seconds * self.batch_size / size


def _model(run, channels, classes, steps):
    """A compiled network for all runs that differ in nothing it is made of."""
    options = {} if run.width == 1 else {"width": run.width}
    shape = (run.image_size, run.image_size, channels)
    per_execution = 1 if run.method == "LW frozen" else steps
    return _compiled(
        run.backbone, shape, classes, run.norm, run.dropout, run.weight_decay, run.initializer,
        run.momentum, per_execution, **options,
    )  # fmt: skip


@keep_network
def _compiled(
    backbone, shape, classes, norm, dropout, decay, initializer, momentum, steps, **options
):
    network = getattr(kr.backbones, backbone)(
        shape, classes, norm, dropout, decay, initializer, **options
    )
    model = kr.ReinitModel(network)
    protocol.compile_for(model, keras.optimizers.SGD(momentum=momentum), steps)
    return model


def _train(run, model, part, steps, folder, callbacks):
    rounds = run.iterations * len(model.blocks)
    epochs = max(1, run.steps_per_round // steps)
    sample = next(iter(_batches(run, part.x_train, part.y_train, SAMPLE_IMAGES)))[0]
    if run.method == "BL":
        method = methods.train_once(_rule(run, epochs * rounds))
    else:
        (method,) = methods.callbacks(
            run.method, _rule(run, epochs), rounds, run.iterations, sample, run.seed
        )
    test = None
    if run.test_curve:
        test = _batches(run, part.x_test[:TEST_CURVE_IMAGES], part.y_test[:TEST_CURVE_IMAGES])
    first_epoch, backup = protocol.backup(folder)
    journal = Journal(first_epoch, folder and folder / "journal.jsonl", test)
    protocol.fit(
        model,
        data.batches(
            part.x_train, part.y_train, run.batch_size, run.seed, first_epoch, run.image_size,
            run.augment,
        ),
        epochs * rounds,
        steps,
        [method, *callbacks, journal, *backup],
        validation_data=_batches(run, part.x_validation, part.y_validation),
    )  # fmt: skip
    return journal


def _rule(run, epochs):
    return kr.rounds.Converged(
        "val_accuracy", run.patience, epochs, lr_factor=0.5, lr_patience=LR_PATIENCE
    )


def _batches(run, x, y, size=500):
    return data.evaluation_batches(x, y, size, run.image_size)


def _scores(run, model, part):
    parts = {
        "test": (part.x_test[: run.test_size], part.y_test[: run.test_size]),
        "validation": (part.x_validation, part.y_validation),
        "train": (part.x_train, part.y_train),
    }
    scores = {
        f"{name}_accuracy": protocol.evaluate(model, _batches(run, x, y))
        for name, (x, y) in parts.items()
    }
    return {**scores, "train_images": len(part.x_train), "classes": part.classes}


def _analysis(run, model, part):
    chosen = np.random.default_rng(run.seed).permutation(len(part.x_train))[:ANALYZED_IMAGES]
    batches = list(_batches(run, part.x_train[chosen], part.y_train[chosen]))
    x, y = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    margins = kr.analysis.smallest(kr.analysis.margins(model, x, y), MARGINS)
    noise = kr.analysis.sharpness(model, x, y, SIGMAS, draws=NOISE_DRAWS, seed=run.seed)
    return {
        "margins": _rounded(margins),
        "sigmas": list(SIGMAS),
        "accuracy_change": _rounded(noise.accuracy.mean(axis=1)),
        "loss_change": _rounded(noise.loss.mean(axis=1)),
        "weight_size": kr.analysis.weight_size(model, x, seed=run.seed),
    }


def _rounded(values):
    """Numbers for JSON, which has no infinity: None stands for it."""
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values]


def _has_accelerator():
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


class Journal(keras.callbacks.Callback):
    """The course of a training, epoch by epoch, over a kill and a resumption too.

    Listed after the method, whose round it records, and before the backup, so that an epoch that is
    in the backup is in the file.

    Args:
        first_epoch: the epoch that this process begins with.
        file: path of the lines that an earlier process may have left, or None.
        test: batches of the test set, or None. "test_accuracy" is that of the best weights so far
            of the round, so it is measured only after an epoch that was better.

    Raises:
        BackupLost: if they lack an epoch before the first one.
    """

    NAMES = ("reinit_round", "accuracy", "loss", "val_accuracy", "test_accuracy")

    def __init__(self, first_epoch=0, file=None, test=None):
        super().__init__()
        self._lines = Lines(file, (int, dict))
        self._test = test
        earlier, places = self._lines.read(), [(epoch,) for epoch in range(first_epoch)]
        self._lines.check(places, earlier)
        self.entries = [earlier[place][0] for place in places]

    def on_epoch_end(self, epoch, logs=None):
        entry = {name: float(f"{logs[name]:.5g}") for name in self.NAMES if name in logs}
        if self._test is not None:
            entry["test_accuracy"] = self._test_accuracy(entry)
        self.entries.append(entry)
        self._lines.write(epoch, entry)

    def _test_accuracy(self, entry):
        same = [e for e in self.entries if e["reinit_round"] == entry["reinit_round"]]
        if same and entry["val_accuracy"] <= max(e["val_accuracy"] for e in same):
            return same[-1]["test_accuracy"]
        return protocol.evaluate(self.model, self._test)

    def columns(self):
        """One list a name: `round_curve`, `accuracy_curve`, ..."""
        names = [name for name in self.NAMES if name in self.entries[0]]
        return {
            f"{name.removeprefix('reinit_')}_curve": [entry[name] for entry in self.entries]
            for name in names
        }
