"""What a method costs while it does nothing: epochs of `fit` with and without it.

Command: `python -m benchmarks.fit_overhead [--repeats 6] [--json FILE]`, about 8 minutes.

Ratios of training speed (images/s), each within one run on the same data:
  with / without the callback, on the same compiled model: aim >= 0.99;
  with / without the identity normalisations of a `ReinitModel`, which LW alone needs.
And, which a noisy machine disturbs less, the share of an epoch that is not spent inside of the
callback's own functions: aim >= 0.99.
On a CPU the images are few and small; on an accelerator they have the papers' sizes and the
precision is mixed.
"""

import time

import keras
import numpy as np

import keras_reinit as kr
from benchmarks.machine import accelerators
from benchmarks.ratios import arguments, in_turn, ratio, report

HOOKS = "on_epoch_begin", "on_train_batch_end", "on_test_begin", "on_test_end", "on_epoch_end"

# network: shape, classes, images of a batch, batches of an epoch, epochs of a timing
ON_CPU = {"scnn": ((28, 28, 1), 10, 64, 5, 8), "resnet50": ((32, 32, 3), 1000, 4, 1, 8)}
ON_ACCELERATOR = {
    "scnn": ((32, 32, 3), 10, 256, 40, 8),
    "resnet50": ((224, 224, 3), 1000, 128, 10, 5),
}


class Stopwatch(keras.callbacks.Callback):
    """The seconds of each epoch, every callback of the list included."""

    def on_train_begin(self, logs=None):
        self.starts = []

    def on_epoch_begin(self, epoch, logs=None):
        self.starts.append(time.perf_counter())

    def on_train_end(self, logs=None):
        self.starts.append(time.perf_counter())

    @property
    def seconds(self):
        """Seconds of each epoch."""
        return np.diff(self.starts).tolist()


class StopwatchInside(Stopwatch):
    """Also tells how much of each epoch is spent inside of a callback that comes after this one."""

    def __init__(self, callback):
        super().__init__()
        self._inside = 0.0
        for name in HOOKS:
            setattr(callback, name, self._timed(getattr(type(callback), name).__get__(callback)))

    def _timed(self, hook):
        def call(*args, **kwargs):
            start = time.perf_counter()
            hook(*args, **kwargs)
            self._inside += time.perf_counter() - start

        return call

    def on_train_begin(self, logs=None):
        super().on_train_begin()
        self._marks = []

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch)
        self._marks.append(self._inside)

    def on_train_end(self, logs=None):
        super().on_train_end()
        self._marks.append(self._inside)

    @property
    def shares_outside(self):
        """The share of each epoch that is not spent inside of the callback."""
        return (1 - np.diff(self._marks) / self.seconds).tolist()


def epoch_timer(model, data, batch, epochs):
    """A function that trains for some epochs without a method, and times them.

    The first epoch and the last are left out.
    """

    def measure():
        stopwatch = Stopwatch()
        fit(model, data, batch, epochs, [stopwatch])
        return stopwatch.seconds[1:-1]

    return measure


def epoch_timer_of_method(model, data, batch, epochs, method, outside):
    """As `epoch_timer`, far from the end of a round of a method.

    The shares of these epochs that are not the method's are added to the list `outside`.
    """

    def measure():
        stopwatch = StopwatchInside(method)
        fit(model, data, batch, epochs, [stopwatch, method])
        outside.extend(stopwatch.shares_outside[1:-1])
        return stopwatch.seconds[1:-1]

    return measure


def fit(model, data, batch, epochs, callbacks):
    """Train in silence."""
    model.fit(*data, batch_size=batch, epochs=epochs, verbose=0, callbacks=callbacks)


def compiled(model, **options):
    """The model, compiled as a classifier, with `options` as `compile` takes them."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1e-3, momentum=0.9), loss, metrics=["accuracy"], **options)
    return model


def examples(number, shape, classes):
    """Random examples and labels."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(number, *shape)).astype("float32"), rng.integers(classes, size=number)


def measure(name, repeats, shape, classes, batch, batches, epochs):
    """The seconds and ratios of one network."""
    build = getattr(kr.backbones, name)
    data = examples(batch * batches, shape, classes)
    backbone = compiled(build(shape, classes))
    with_blocks = compiled(kr.ReinitModel(build(shape, classes)))
    until = kr.rounds.Fixed(epochs=10 * epochs)
    sp = kr.callbacks.ShrinkPerturb(until=until, rounds=2, seed=0)
    lw = kr.callbacks.LayerwiseReinit(data[0][:64], until=until, seed=0)
    outside = {"S&P": [], "LW": []}
    timed = {
        "backbone": epoch_timer(backbone, data, batch, epochs),
        "backbone with S&P": epoch_timer_of_method(
            backbone, data, batch, epochs, sp, outside["S&P"]
        ),
        "ReinitModel": epoch_timer(with_blocks, data, batch, epochs),
        "ReinitModel with LW": epoch_timer_of_method(
            with_blocks, data, batch, epochs, lw, outside["LW"]
        ),
    }
    seconds = in_turn(repeats, **timed)
    ratios = {
        "speed, S&P / none": ratio(
            seconds["backbone"], seconds["backbone with S&P"], at_least=0.99
        ),
        "speed, LW / none": ratio(
            seconds["ReinitModel"], seconds["ReinitModel with LW"], at_least=0.99
        ),
        "speed, ReinitModel / backbone": ratio(seconds["backbone"], seconds["ReinitModel"]),
    } | {
        f"share of an epoch outside of {method}": ratio(shares, [1.0], at_least=0.99)
        for method, shares in outside.items()
    }
    return tuple(
        {f"{name}, {key}": value for key, value in each.items()} for each in (seconds, ratios)
    )


def main():
    """Measure and print."""
    options = arguments(__doc__, repeats=6).parse_args()
    networks = ON_ACCELERATOR if accelerators() else ON_CPU
    if accelerators():
        keras.config.set_dtype_policy("mixed_bfloat16")
    seconds, ratios = {}, {}
    for name, sizes in networks.items():
        of_network = measure(name, options.repeats, *sizes)
        seconds |= of_network[0]
        ratios |= of_network[1]
    sizes = ", ".join(
        f"{name} at {shape[0]}x{shape[1]}, batch {batch}"
        for name, (shape, _, batch, *_) in networks.items()
    )
    report(f"An epoch of fit: {sizes}", seconds, ratios, options.json)


if __name__ == "__main__":
    main()
