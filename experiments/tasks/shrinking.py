"""What is left of a network when all its weights shrink, and it is not trained again.

A network is trained as in `warm_start`, once; then its weights are those of the solution times each
factor. The moving statistics of BatchNormalization are measured anew on training examples, since
they are those of the weights as they were.
"""

import dataclasses
import shutil

import keras_reinit as kr
from experiments import data, devices, networks, protocol, store
from experiments.tasks import warm_start

STATISTICS_EXAMPLES = 1000  # training examples that BatchNormalization is measured anew on


@dataclasses.dataclass(frozen=True)
class ShrinkingRun:
    """One solution, shrunk by each factor; the defaults are the paper's.

    Args:
        dataset: as `experiments.data.load` names it.
        network: of `experiments.networks.NETWORKS`, but for "birnn".
        seed: of weights, examples and batches.
        train_size: examples of the training split, those held out included, or None for all.
        held_out: share of them that is measured on.
        shrink: factors on all trainable variables.
        optimizer: "sgd" or "adam".
        learning_rate: of it.
        batch_size: examples of a batch.
        norm: normalisation of "resnet18".
        width: multiplier of its filters.
        goal: running training accuracy that ends the training.
        patience: epochs without a better one that end it, too, or None.
        max_epochs: its most epochs.
    """

    dataset: str
    network: str
    seed: int = 0
    train_size: int | None = None
    held_out: float = 1 / 3
    shrink: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    optimizer: str = "adam"
    learning_rate: float = 0.001
    batch_size: int = 128
    norm: str | None = "batch"
    width: float = 1.0
    goal: float = 0.99
    patience: int | None = 10
    max_epochs: int = 350

    @property
    def spec(self):
        """The run as the store knows it."""
        return {"task": "shrinking", **dataclasses.asdict(self), "shrink": list(self.shrink)}

    @property
    def training(self):
        """Its training as `warm_start` knows it, to plan and to check."""
        values = {
            name: value for name, value in dataclasses.asdict(self).items() if name != "shrink"
        }
        return warm_start.WarmStartRun(**values, strategy="warm", scheme="repeat", rounds=1)


def check(spec, context):
    """Raise `UsageError` if a run cannot start; reads no example and takes no time."""
    warm_start.check(_run(spec).training.spec, context)


def execute(spec, context):
    """Train once and shrink; returns the accuracies.

    Returns:
        A dict: "accuracy", of the examples held out, one for each factor; "train_accuracy" and
        "epochs" of the training.

    Raises:
        UsageError: as `check`.
    """
    check(spec, context)
    run = _run(spec)
    whole = data.load(run.dataset, context.data_dir, context.download)
    part = data.shuffled(whole, run.seed, run.train_size, run.held_out)
    model = networks.compiled(
        run.network, part.x.shape[1:], part.classes, run.norm, run.width, None, run.optimizer, 0.0,
        "none", 0.0,
    )  # fmt: skip
    protocol.restart(model, run.seed, run.learning_rate)
    devices.check_even([len(part.y)])
    until = kr.rounds.Accuracy(run.goal, run.max_epochs, patience=run.patience)
    folder = None if context.backups is None else context.backups / store.digest(spec)
    (stage,) = kr.training.WarmStart(
        model, "warm", until, run.batch_size, run.seed, backup_dir=folder
    ).run([(part.x, part.y)], callbacks=context.callbacks)
    solution = model.get_weights()
    held_out = data.evaluation_batches(part.x_held_out, part.y_held_out)
    accuracy = []
    for shrink in run.shrink:
        model.set_weights(solution)
        kr.shrink_perturb(model, shrink, perturb=0.0, seed=run.seed)
        kr.recalibrate(model, part.x[:STATISTICS_EXAMPLES])
        accuracy.append(protocol.evaluate(model, held_out))
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "accuracy": accuracy,
        "train_accuracy": stage.logs["accuracy"],
        "epochs": stage.epochs,
    }


def steps(spec):
    """The most optimizer steps of a run."""
    return warm_start.steps(_run(spec).training.spec)


def step_key(spec):
    """Runs with the same key take the same time for a step."""
    return warm_start.step_key(_run(spec).training.spec)


def seconds_per_step(spec):
    """The time of an optimizer step; that of the evaluations is not in it."""
    return warm_start.seconds_per_step(_run(spec).training.spec)


def _run(spec):
    values = {name: value for name, value in spec.items() if name != "task"}
    return ShrinkingRun(**values | {"shrink": tuple(spec["shrink"])})
