"""What is left of a network when all its weights shrink, and it is not trained again.

A network is trained as in `warm_start`, once; then its weights are those of the solution times each
factor. The moving statistics of BatchNormalization are measured anew on training examples, since
they are those of the weights as they were.
"""

import dataclasses

import keras_reinit as kr
from experiments import data
from experiments.engine import devices
from experiments.engine.run import Run
from experiments.papers.ash2020 import networks, warm_start_run
from experiments.training import protocol

STATISTICS_EXAMPLES = 1000  # training examples that BatchNormalization is measured anew on


@dataclasses.dataclass(frozen=True)
class ShrinkingRun(Run):
    """One solution, shrunk by each factor; the defaults are the paper's.

    Args:
        dataset: as `experiments.data.load` names it.
        network: of `networks.NETWORKS`, but for "birnn".
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

    task = "shrinking"
    fitted = True

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
    def training(self):
        """Its training as `warm_start` knows it, to plan and to check."""
        values = {
            name: value for name, value in dataclasses.asdict(self).items() if name != "shrink"
        }
        return warm_start_run.WarmStartRun(**values, strategy="warm", scheme="repeat", rounds=1)

    def check(self, context):
        self.training.check(context)

    def result(self, context, folder):
        """Train once and shrink; returns the accuracies.

        Returns:
            A dict: "accuracy", of the examples held out, one for each factor; "train_accuracy" and
            "epochs" of the training.
        """
        whole = data.load(self.dataset, context.data_dir, context.download)
        part = data.shuffled(whole, self.seed, self.train_size, self.held_out)
        model = networks.compiled(
            self.network, part.x.shape[1:], part.classes, self.norm, self.width, None,
            self.optimizer, 0.0, "none", 0.0,
        )  # fmt: skip
        protocol.restart(model, self.seed, self.learning_rate)
        devices.check_even([len(part.y)])
        until = kr.rounds.Accuracy(self.goal, self.max_epochs, patience=self.patience)
        (stage,) = kr.training.WarmStart(
            model, "warm", until, self.batch_size, self.seed, backup_dir=folder
        ).run([(part.x, part.y)], callbacks=context.callbacks)
        solution = model.get_weights()
        held_out = data.evaluation_batches(part.x_held_out, part.y_held_out)
        accuracy = []
        for shrink in self.shrink:
            model.set_weights(solution)
            kr.shrink_perturb(model, shrink, perturb=0.0, seed=self.seed)
            kr.recalibrate(model, part.x[:STATISTICS_EXAMPLES])
            accuracy.append(protocol.evaluate(model, held_out))
        return {
            "accuracy": accuracy,
            "train_accuracy": stage.logs["accuracy"],
            "epochs": stage.epochs,
        }

    @property
    def total_steps(self):
        return self.training.total_steps

    @property
    def step_key(self):
        return self.training.step_key

    def seconds_per_step(self):
        """The time of an optimizer step; that of the evaluations is not in it."""
        return self.training.seconds_per_step()
