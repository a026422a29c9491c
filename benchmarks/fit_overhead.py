"""What a method costs while it does nothing: epochs of `fit` with and without it.

Command: `python -m benchmarks.fit_overhead [--repeats 12] [--json FILE]`, about 4 minutes.

Ratios of training speed (images/s), each within one run on the same data:
  with / without the callback, on the same compiled model: aim >= 0.98;
  with / without the identity normalisations of a `ReinitModel`, which LW alone needs.
"""

import time

import keras
import numpy as np

import keras_reinit as kr
from benchmarks.ratios import arguments, in_turn, ratio, report

IMAGES, BATCH, EPOCHS = 640, 64, 8


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
        """Seconds of each epoch, but for the first, where a round may begin, and the last."""
        return np.diff(self.starts)[1:-1].tolist()


def epoch_timer(model, data, method=None):
    """A function that trains for some epochs, far from the end of a round, and times them."""

    def measure():
        stopwatch = Stopwatch()
        callbacks = [stopwatch] if method is None else [stopwatch, method]
        model.fit(*data, batch_size=BATCH, epochs=EPOCHS, verbose=0, callbacks=callbacks)
        return stopwatch.seconds

    return measure


def compiled(model):
    """The model, compiled as a classifier."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1e-3, momentum=0.9), loss, metrics=["accuracy"])
    return model


def main():
    """Measure and print."""
    options = arguments(__doc__, repeats=12).parse_args()
    rng = np.random.default_rng(0)
    images = rng.normal(size=(IMAGES, 28, 28, 1)).astype("float32")
    data = images, rng.integers(0, 10, size=IMAGES)
    backbone = compiled(kr.backbones.scnn((28, 28, 1), classes=10))
    with_blocks = compiled(kr.ReinitModel(kr.backbones.scnn((28, 28, 1), classes=10)))
    until = kr.rounds.Fixed(epochs=10 * EPOCHS)
    seconds = in_turn(
        options.repeats,
        plain=epoch_timer(backbone, data),
        plain_with_method=epoch_timer(
            backbone, data, kr.callbacks.ShrinkPerturb(until=until, rounds=2, seed=0)
        ),
        reinit_model=epoch_timer(with_blocks, data),
        reinit_model_with_lw=epoch_timer(
            with_blocks, data, kr.callbacks.LayerwiseReinit(images[:64], until=until, seed=0)
        ),
    )
    ratios = {
        "speed, S&P / none": ratio(seconds["plain"], seconds["plain_with_method"]),
        "speed, LW / none": ratio(seconds["reinit_model"], seconds["reinit_model_with_lw"]),
        "speed, ReinitModel / backbone": ratio(seconds["plain"], seconds["reinit_model"]),
    }
    title = f"fit of scnn at 28x28, batch {BATCH}, {IMAGES} images an epoch"
    report(title, seconds, ratios, options.json)


if __name__ == "__main__":
    main()
