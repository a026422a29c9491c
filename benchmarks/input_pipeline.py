"""Whether the network ever waits for its images: augmented batches against what `fit` consumes.

Command: `python -m benchmarks.input_pipeline [--repeats 8] [--json FILE]`, about 2 minutes.

Both are images/s over the same batches of one run; above 1, the pipeline is no bottleneck:
  supply: augmented batches of 32x32 images, read with nothing else to do;
  demand: `fit` of scnn on such images, ready in memory.
"""

import itertools
import time

import keras
import numpy as np

import keras_reinit as kr
from benchmarks.ratios import arguments, in_turn, ratio, report
from experiments import data

SIDE, BATCH, SUPPLIED, CONSUMED = 32, 256, 40, 4


def supply_timer(stream):
    """A function that reads some batches and times one of them, on average."""

    def measure():
        batches = iter(stream)
        next(batches)  # the stream is running
        start = time.perf_counter()
        for _ in itertools.islice(batches, SUPPLIED):
            pass
        return [(time.perf_counter() - start) / SUPPLIED]

    return measure


def demand_timer(model, cached):
    """A function that trains on some batches and times one of them, on average."""

    def measure():
        start = time.perf_counter()
        model.fit(cached, epochs=1, steps_per_epoch=CONSUMED, shuffle=False, verbose=0)
        return [(time.perf_counter() - start) / CONSUMED]

    return measure


def main():
    """Measure and print."""
    options = arguments(__doc__, repeats=8).parse_args()
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(10 * BATCH, SIDE, SIDE, 3), dtype=np.uint8)
    labels = rng.integers(10, size=len(images))
    model = kr.backbones.scnn((SIDE, SIDE, 3), classes=10)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(3e-3, momentum=0.9), loss, jit_compile=False)
    cached = data.full_batch(images[:BATCH], labels[:BATCH])
    stream = data.batches(images, labels, BATCH, seed=0, image_size=SIDE, augment=True)
    seconds = in_turn(
        options.repeats, supply=supply_timer(stream), demand=demand_timer(model, cached)
    )
    ratios = {"supply / demand": ratio(seconds["demand"], seconds["supply"], at_least=1)}
    title = f"a batch of {BATCH} images of {SIDE}x{SIDE}: augmented, and trained on by scnn"
    report(title, seconds, ratios, options.json)


if __name__ == "__main__":
    main()
