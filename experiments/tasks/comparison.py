"""One network on a part of an image set, by one method; all methods get the same budget."""

import functools

import keras

import keras_reinit as kr
from experiments import data, methods, protocol

SAMPLE_IMAGES = 256  # training images on which LW measures the output of a block
POINTS = 3  # evaluations within a round, for the learning curves
CURVE_IMAGES = 500  # test images that they look at; the accuracy is measured on all


def check(spec, context):
    """Raise `UsageError` if a run cannot start; reads no image and takes no time."""
    data.count(
        spec["dataset"],
        context.data_dir,
        context.download,
        spec["image_size"],
        size=spec["train_size"],
    )


def execute(spec, context):
    """Train once; returns the accuracies and the learning curve, a list of [epoch, accuracy]."""
    source = spec["dataset"], context.data_dir, context.download, spec["image_size"]
    whole, test, glimpse = _whole(*source)
    train, stream, sample = _part(*source, spec["train_size"], spec["batch_size"], spec["seed"])
    steps = spec["train_size"] // spec["batch_size"]
    shape = data.input_shape(whole.x_train, spec["image_size"])
    model = _model(spec["backbone"], shape, whole.classes, spec["learning_rate"], steps)
    reinitialization = methods.callbacks(
        spec["method"],
        until=kr.rounds.Fixed(epochs=spec["epochs"]),
        rounds=spec["rounds"],
        iterations=spec["rounds"] // len(model.blocks),
        sample=sample,
        seed=spec["seed"],
    )
    evaluated = _evaluated(spec["rounds"], spec["epochs"])
    protocol.restart(model, spec["seed"])
    history = protocol.fit(
        model,
        stream,
        epochs=spec["rounds"] * spec["epochs"],
        steps=steps,
        callbacks=[*reinitialization, *context.callbacks],
        validation_data=glimpse,
        validation_freq=evaluated,
    ).history
    return {
        "test_accuracy": protocol.evaluate(model, test),
        "train_accuracy": protocol.evaluate(model, train),
        "curve": [list(point) for point in zip(evaluated, history["val_accuracy"], strict=True)],
    }


@functools.lru_cache(maxsize=1)
def _model(backbone, shape, classes, learning_rate, steps):
    model = kr.ReinitModel(getattr(kr.backbones, backbone)(shape, classes))
    protocol.compile_for(model, keras.optimizers.SGD(learning_rate, 0.9), steps)
    return model


@functools.lru_cache(maxsize=1)
def _whole(dataset, data_dir, download, image_size):
    whole = data.load(dataset, data_dir, download, image_size)
    x, y = whole.x_test, whole.y_test
    test = data.evaluation_batches(x, y, image_size=image_size)
    glimpse = data.evaluation_batches(x[:CURVE_IMAGES], y[:CURVE_IMAGES], image_size=image_size)
    return whole, test, glimpse


@functools.lru_cache(maxsize=1)
def _part(dataset, data_dir, download, image_size, train_size, batch_size, seed):
    whole, _, _ = _whole(dataset, data_dir, download, image_size)
    part = data.subset(whole, train_size, seed)
    x, y = part.x_train, part.y_train
    train = data.evaluation_batches(x, y, image_size=image_size)
    stream = data.batches(x, y, batch_size, seed, image_size=image_size)
    return train, stream, data.one_batch(x[:SAMPLE_IMAGES], image_size)


def _evaluated(rounds, epochs):
    """Epochs, from 1, after which the test set is looked at: the last of each round among them."""
    within = sorted({round(epochs * point / POINTS) for point in range(1, POINTS + 1)} - {0})
    return [start * epochs + epoch for start in range(rounds) for epoch in within]
