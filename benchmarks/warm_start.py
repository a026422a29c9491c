"""Epochs of `WarmStart`, against those of one `fit` and of a plain PyTorch loop.

Command: `python -m benchmarks.warm_start [--repeats 5] [--json FILE]`, about 3 minutes; without
PyTorch (`pip install torch`) the last ratio is left out.

784-100-100-10, ReLU, Adam, batch 128, stages of 1000, 2000 and 3000 examples: small networks, which
live on the overhead of a step. An epoch is one call of the compiled step (`steps_per_execution`).
Ratios of training speed, each within one run on the same data:
  WarmStart / fit, on a cached and shuffled `tf.data` set with the same compiled step: aim >= 0.95;
  WarmStart / PyTorch, whose tensors are in memory and shuffled by `randperm`: aim >= 1.
"""

import importlib.util
import time

import keras
import numpy as np

import keras_reinit as kr
from benchmarks.ratios import arguments, in_turn, ratio, report

STAGES, BATCH, EPOCHS = (1000, 2000, 3000), 128, 40
GOALS = {"fit": 0.95, "PyTorch": 1}
WHOLE_EPOCH = 10_000  # steps of an execution: more than any epoch has


def network():
    """The network, compiled."""
    model = kr.backbones.mlp((784,), classes=10, hidden=(100, 100))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"], steps_per_execution=WHOLE_EPOCH)
    return model


def warm_timer(stages):
    """A function that trains on all stages, and gives the seconds of an epoch of each."""
    warm = kr.training.WarmStart(
        network(), "warm", kr.rounds.Fixed(epochs=EPOCHS), batch_size=BATCH
    )
    return lambda: [stage.seconds / stage.epochs for stage in warm.run(stages)]


def fit_timer(stages):
    """The same epochs with `fit`."""
    import tensorflow as tf

    model = network()

    def measure():
        seconds = []
        for x, y in stages:
            examples = tf.data.Dataset.from_tensor_slices((x, y)).cache()
            data = examples.shuffle(len(x)).batch(BATCH).prefetch(2)
            model.fit(data, verbose=0)  # fills the cache
            start = time.perf_counter()
            model.fit(data, epochs=EPOCHS, verbose=0)
            seconds.append((time.perf_counter() - start) / EPOCHS)
        return seconds

    return measure


def torch_timer(stages):
    """The same epochs as a plain PyTorch loop."""
    import torch
    from torch import nn

    model = nn.Sequential(
        nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 10)
    )
    cross_entropy = nn.CrossEntropyLoss()

    def epoch(x, y, optimizer):
        correct = 0
        for index in torch.randperm(len(x)).split(BATCH):
            inputs, labels = x[index], y[index]
            optimizer.zero_grad()
            logits = model(inputs)
            loss = cross_entropy(logits, labels)
            loss.backward()
            optimizer.step()
            correct += int((logits.argmax(1) == labels).sum())
        return correct / len(x)

    def measure():
        seconds = []
        for arrays in stages:
            x, y = map(torch.from_numpy, arrays)
            optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
            start = time.perf_counter()
            for _ in range(EPOCHS):
                epoch(x, y, optimizer)
            seconds.append((time.perf_counter() - start) / EPOCHS)
        return seconds

    return measure


def main():
    """Measure and print."""
    options = arguments(__doc__, repeats=5).parse_args()
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(max(STAGES), 784)).astype("float32"), rng.integers(0, 10, max(STAGES))
    stages = [(x[:size], y[:size]) for size in STAGES]
    timed = {"WarmStart": warm_timer(stages), "fit": fit_timer(stages)}
    if importlib.util.find_spec("torch"):
        timed["PyTorch"] = torch_timer(stages)
    taken = in_turn(options.repeats, **timed)
    seconds, ratios = {}, {}
    for number, size in enumerate(STAGES):
        of_stage = {name: values[number :: len(STAGES)] for name, values in taken.items()}
        seconds |= {f"{name}, {size} examples": values for name, values in of_stage.items()}
        ours = of_stage.pop("WarmStart")
        for name, values in of_stage.items():
            ratios[f"speed, WarmStart / {name}, {size}"] = ratio(values, ours, at_least=GOALS[name])
    report(f"an epoch of 784-100-100-10, batch {BATCH}", seconds, ratios, options.json)


if __name__ == "__main__":
    main()
