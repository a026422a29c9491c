"""One network on a part of an image set, by one method; all methods get the same budget."""

import dataclasses
import functools

import keras

import keras_reinit as kr
from experiments import data
from experiments.engine import folders
from experiments.engine.run import Run, keep_network
from experiments.training import methods, protocol

SAMPLE_IMAGES = 256  # training images on which LW measures the output of a block
POINTS = 3  # evaluations within a round, for the learning curves
CURVE_IMAGES = 500  # test images that they look at; the accuracy is measured on all


@dataclasses.dataclass(frozen=True)
class ComparisonRun(Run):
    """One training run; arguments as those of `compare.Settings`."""

    task = "comparison"
    fitted = True

    dataset: str
    image_size: int | None
    method: str
    backbone: str
    train_size: int
    rounds: int
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int

    def check(self, context):
        data.count(
            self.dataset, context.data_dir, context.download, self.image_size, size=self.train_size
        )

    def result(self, context, folder):
        """Train once; returns accuracies and the learning curve, a list of [epoch, accuracy]."""
        images = folders.digest(self.dataset)
        source = self.dataset, context.data_dir, context.download, self.image_size, images
        whole, test, glimpse = _whole(*source)
        train, stream, sample = _part(*source, self.train_size, self.batch_size, self.seed)
        shape = data.input_shape(whole.x_train, self.image_size)
        model = _model(self.backbone, shape, whole.classes, self.learning_rate, self.epoch_steps)
        reinitialization = methods.callbacks(
            self.method,
            until=kr.rounds.Fixed(epochs=self.epochs),
            rounds=self.rounds,
            iterations=self.rounds // len(model.blocks),
            sample=sample,
            seed=self.seed,
        )
        evaluated = _evaluated(self.rounds, self.epochs)
        protocol.restart(model, self.seed)
        history = protocol.fit(
            model,
            stream,
            epochs=self.rounds * self.epochs,
            steps=self.epoch_steps,
            callbacks=[*reinitialization, *context.callbacks],
            validation_data=glimpse,
            validation_freq=evaluated,
        ).history
        curve = zip(evaluated, history["val_accuracy"], strict=True)
        return {
            "test_accuracy": protocol.evaluate(model, test),
            "train_accuracy": protocol.evaluate(model, train),
            "curve": [list(point) for point in curve],
        }

    @property
    def epoch_steps(self):
        """The optimizer steps of an epoch."""
        return self.train_size // self.batch_size

    @property
    def total_steps(self):
        return self.rounds * self.epochs * self.epoch_steps

    @property
    def step_key(self):
        return self.backbone, self.image_size, self.batch_size

    def seconds_per_step(self):
        _, shape, classes = data.known(self.dataset, self.image_size)
        model = _model(self.backbone, shape, classes, self.learning_rate, 1)
        return protocol.seconds_per_step(model, shape, classes, self.batch_size)


@keep_network
def _model(backbone, shape, classes, learning_rate, steps):
    model = kr.ReinitModel(getattr(kr.backbones, backbone)(shape, classes))
    protocol.compile_for(model, keras.optimizers.SGD(learning_rate, 0.9), steps)
    return model


@functools.lru_cache(maxsize=1)
def _whole(dataset, data_dir, download, image_size, images):
    whole = data.load(dataset, data_dir, download, image_size)
    x, y = whole.x_test, whole.y_test
    test = data.evaluation_batches(x, y, image_size=image_size)
    glimpse = data.evaluation_batches(x[:CURVE_IMAGES], y[:CURVE_IMAGES], image_size=image_size)
    return whole, test, glimpse


@functools.lru_cache(maxsize=1)
def _part(dataset, data_dir, download, image_size, images, train_size, batch_size, seed):
    whole, _, _ = _whole(dataset, data_dir, download, image_size, images)
    part = data.subset(whole, train_size, seed)
    x, y = part.x_train, part.y_train
    train = data.evaluation_batches(x, y, image_size=image_size)
    stream = data.batches(x, y, batch_size, seed, image_size=image_size)
    return train, stream, data.one_batch(x[:SAMPLE_IMAGES], image_size)


def _evaluated(rounds, epochs):
    """Epochs, from 1, after which the test set is looked at: the last of each round among them."""
    within = sorted({round(epochs * point / POINTS) for point in range(1, POINTS + 1)} - {0})
    return [start * epochs + epoch for start in range(rounds) for epoch in within]
