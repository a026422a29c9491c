"""Do old and new examples pull alike? Gradient norms after new examples have come.

A network is trained on a share of the examples as in `warm_start`; from its solution, the training
on all examples begins once as it is ("warm") and once for each factor, shrunk and perturbed. A
norm is that of the mean gradient over a batch of examples of one kind, in training mode; the mean
of `BATCHES` batches, the same ones always. Old examples are those of the first phase. A run that is
killed goes on within its first phase, and repeats the short trainings after it.
"""

import dataclasses
import math

import keras

import keras_reinit as kr
from experiments import data
from experiments.engine.errors import UsageError
from experiments.engine.run import Run
from experiments.papers.ash2020 import networks, warm_start_run
from experiments.training import protocol
from keras_reinit.core import fold_in
from keras_reinit.gradients import loss_gradients

BATCHES = 8  # of old and of new examples, where there are so many


@dataclasses.dataclass(frozen=True)
class GradientNormsRun(Run):
    """One solution, and all trainings that begin with it; the defaults are the paper's.

    Args:
        dataset: as `experiments.data.load` names it.
        network: of `networks.NETWORKS`, but for "birnn".
        seed: of weights, examples, batches and noise.
        train_size: examples of the training split, those held out included, or None for all.
        held_out: share of them that is not trained on, as in all other runs.
        first: share of the others that are old.
        shrink: factors on the weights; each makes one training.
        perturb: factor on the fresh draw of each of them.
        optimizer: "sgd" or "adam".
        learning_rate: of it, on all examples.
        first_learning_rate: on the old ones.
        batch_size: examples of a batch.
        epochs: of each training on all examples (ours).
        norm: normalisation of "resnet18".
        width: multiplier of its filters.
        goal: running training accuracy that ends the first phase.
        patience: epochs without a better one that end it, too, or None.
        max_epochs: its most epochs.
    """

    task = "gradient_norms"

    dataset: str
    network: str = "resnet18"
    seed: int = 0
    train_size: int | None = None
    held_out: float = 1 / 3
    first: float = 0.5
    shrink: tuple[float, ...] = (0.8, 0.6, 0.4, 0.2)
    perturb: float = 0.01
    optimizer: str = "sgd"
    learning_rate: float = 0.001
    first_learning_rate: float = 0.001
    batch_size: int = 128
    epochs: int = 20
    norm: str | None = "batch"
    width: float = 1.0
    goal: float = 0.99
    patience: int | None = 10
    max_epochs: int = 350

    @property
    def phases(self):
        """The two phases of a warm start, as `warm_start` knows them, to plan and to check."""
        known = {field.name for field in dataclasses.fields(warm_start_run.WarmStartRun)}
        values = {name: value for name, value in dataclasses.asdict(self).items() if name in known}
        return warm_start_run.WarmStartRun(**values | {"strategy": "warm", "shrink": 1.0})

    def check(self, context):
        self.phases.check(context)
        available, _ = data.count(
            self.dataset, context.data_dir, context.download, size=self.train_size
        )
        trained = data.trained(available, self.held_out)
        old = int(self.first * trained)
        if min(old, trained - old) < self.batch_size:
            raise UsageError(
                "Norms are those of whole batches of old and of new examples. Received: batch_size="
                f"{self.batch_size}, {old} old and {trained - old} new examples of "
                f"'{self.dataset}'. Expected a smaller batch, or more examples."
            )

    def result(self, context, folder):
        """Train the first phase, then once from each start; returns the norms.

        Returns:
            A dict: "starts", a list of names; "old" and "new", for each start a list of norms,
            before the first epoch on all examples and after every one; "train_accuracy" of each
            start in its last epoch, "first_accuracy" of the first phase in its own.
        """
        whole = data.load(self.dataset, context.data_dir, context.download)
        part = data.shuffled(whole, self.seed, self.train_size, self.held_out)
        old = int(self.first * len(part.y))
        model = _model(self, part.x.shape[1:], part.classes)
        protocol.restart(model, self.seed, self.first_learning_rate)
        until = kr.rounds.Accuracy(self.goal, self.max_epochs, patience=self.patience)
        (first,) = _stage(self, model, "first", "warm", until, folder).run(
            [(part.x[:old], part.y[:old])], callbacks=context.callbacks
        )
        solution = model.get_weights()
        found = {"starts": [], "old": [], "new": [], "train_accuracy": []}
        for name, strategy in _starts(self):
            model.set_weights(solution)
            kr.reset_optimizer(model.optimizer, self.learning_rate)
            norms = GradientNorms(
                {"old": (part.x[:old], part.y[:old]), "new": (part.x[old:], part.y[old:])},
                self.batch_size,
            )
            (stage,) = _stage(self, model, "rest", strategy, kr.rounds.Fixed(self.epochs)).run(
                [(part.x, part.y)], callbacks=[norms, *context.callbacks]
            )
            found["starts"].append(name)
            found["train_accuracy"].append(stage.logs["accuracy"])
            for kind, values in norms.values.items():
                found[kind].append(values)
        return found | {"first_accuracy": first.logs["accuracy"]}

    @property
    def total_steps(self):
        first, rest = (
            phase.total_steps
            for phase in (
                dataclasses.replace(self.phases, scheme="repeat", rounds=1),
                dataclasses.replace(
                    self.phases, scheme="repeat", rounds=1, goal=None, max_epochs=self.epochs
                ),
            )
        )
        return int(self.first * first) + len(_starts(self)) * rest

    @property
    def step_key(self):
        return self.phases.step_key

    def seconds_per_step(self):
        """The time of an optimizer step; that of the norms is not in it."""
        return self.phases.seconds_per_step()


def _model(run, shape, classes):
    return networks.compiled(
        run.network, shape, classes, run.norm, run.width, None, run.optimizer, 0.0, "none", 0.0
    )


def _stage(run, model, name, strategy, until, folder=None):
    """A single stage that begins with the strategy; all of one name have the same batches."""
    seed = fold_in(run.seed, name)
    return kr.training.WarmStart(
        model, strategy, until, run.batch_size, seed, perturb_first=True, backup_dir=folder
    )


def _starts(run):
    """Name and strategy of each training on all examples."""
    shrunk = [
        (f"shrink {shrink:g}", kr.methods.ShrinkPerturb(shrink, run.perturb))
        for shrink in run.shrink
    ]
    return [("warm", "warm"), *shrunk]


class GradientNorms(keras.callbacks.Callback):
    """Gradient norms of kinds of examples, before the first epoch and after every one.

    Listed after the method that acts when a stage begins. Nothing of the model is changed.

    Args:
        kinds: dict {name: (x, y)}, each of at least a batch.
        batch_size: examples of a batch.
    """

    def __init__(self, kinds, batch_size):
        super().__init__()
        self._batches = {
            name: [
                (x[start : start + batch_size], y[start : start + batch_size])
                for start in range(0, len(y) - batch_size + 1, batch_size)[:BATCHES]
            ]
            for name, (x, y) in kinds.items()
        }
        self.values = {name: [] for name in kinds}

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 0:
            self._measure()

    def on_epoch_end(self, epoch, logs=None):
        self._measure()

    def _measure(self):
        for name, batches in self._batches.items():
            norms = [_norm(each) for each in loss_gradients(self.model, batches, training=True)]
            self.values[name].append(float(f"{sum(norms) / len(norms):.5g}"))


def _norm(gradients):
    """The norm of all gradients together."""
    return math.sqrt(sum(float(keras.ops.sum(keras.ops.square(each))) for each in gradients))
