"""What a round costs beyond its training: changed in place, or the model made anew every round.

Command: `python -m benchmarks.rounds [--repeats 3] [--json FILE]`, about 5 minutes.

To draw layers afresh or to put normalisations between them, people build and compile the model
again in every round, carry the weights over, and measure a block with a model that ends there. The
extra time of such a round is that of its first epoch, with all that comes before it, less that of
its others; in place it is what LW takes between two epochs, to rescale, to measure 256 examples and
to draw. The first round, which compiles either way, is left out. Ratios of times, each within one
run:
  rebuilt / in place, for an extra round: aim >= 10;
  rebuilt with plain `fit` / in place with `steps_per_execution=200`, for the whole training of the
    MLP of Table 1, 9 rounds of 200 steps, building included: aim >= 3.
On a CPU VGG16 has a quarter of its width.
"""

import functools
import math
import time

import keras
import numpy as np

import keras_reinit as kr
from benchmarks.fit_overhead import Stopwatch, compiled, examples, fit
from benchmarks.machine import accelerators, wait_for
from benchmarks.ratios import arguments, in_turn, ratio, report, seconds_of, undisturbed
from experiments import data
from experiments.papers.alabdulmohsin2021.synthetic_run import BLOCKS, LEARNING_RATE
from experiments.training import protocol

SAMPLE = 256  # examples that LW measures
LEAST = 4  # rounds of a timing in place
EPOCHS, REBUILT = 3, 3  # epochs of a round with a new model, rounds of a timing
ROUNDS, STEPS = 9, 200  # of Table 1

# network: a function that builds it, shape, classes, images of an epoch, which is one batch
NETWORKS = {
    "mlp": (kr.backbones.mlp, (128,), 8, 256),
    "scnn": (kr.backbones.scnn, (28, 28, 1), 10, 64),
    "vgg16": (kr.backbones.vgg16, (32, 32, 3), 10, 32),
}


class StopwatchOfWeights(Stopwatch):
    """A stopwatch that waits until the device is done with what was changed before an epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        wait_for(self.model)
        super().on_epoch_begin(epoch, logs)


def rounds_in_place(model, data, sample):
    """A function that trains with LW, and gives the extra seconds of each round but the first."""
    iterations = math.ceil(LEAST / len(model.blocks))

    def measure():
        before, after = Stopwatch(), StopwatchOfWeights()
        until = kr.rounds.Fixed(epochs=1)
        lw = kr.callbacks.LayerwiseReinit(sample, iterations, until=until, seed=0)
        fit(model, data, len(data[0]), lw.max_epochs(model), [before, lw, after])
        return np.subtract(after.starts, before.starts)[1:-1].tolist()

    return measure


def rounds_rebuilt(make, blocks, data, sample):
    """A function that trains a new model in some rounds, and gives the extra seconds of each.

    Args:
        make: a function that gives a compiled model.
        blocks: how many it has; rounds are those of the first, of the last and some between.
        data: inputs and labels of one batch.
        sample: inputs.
    """

    def measure():
        model, seconds = make(), []
        for block in np.linspace(1, blocks, REBUILT).round().astype(int):
            stopwatch, start = Stopwatch(), time.perf_counter()
            moments(model, f"block{block}_out", sample)
            model = rebuilt(make, model)
            fit(model, data, len(data[0]), EPOCHS, [stopwatch])
            usual = undisturbed(stopwatch.seconds[1:])
            seconds.append(stopwatch.starts[1] - start - usual)
        return seconds

    return measure


def rebuilt(make, model):
    """A new compiled model with the weights of another."""
    new = make()
    new.set_weights(model.get_weights())
    return new


def moments(model, layer, sample):
    """Mean and standard deviation of a layer's output, from a model that ends there."""
    part = keras.Model(model.inputs, model.get_layer(layer).output)
    output = part.predict(sample, batch_size=len(sample), verbose=0)
    return output.mean(), output.std()


def run_in_place(x, y):
    """The synthetic run of Table 1 with LW."""
    model = kr.ReinitModel(kr.backbones.mlp((128,), classes=8), blocks=BLOCKS)
    protocol.compile_for(model, keras.optimizers.SGD(LEARNING_RATE), STEPS)
    lw = kr.callbacks.LayerwiseReinit(
        data.one_batch(x), ROUNDS // len(BLOCKS), until=kr.rounds.Fixed(epochs=1), seed=0
    )
    protocol.fit(model, data.full_batch(x, y), ROUNDS, STEPS, [lw])


def run_rebuilt(x, y):
    """As many rounds and steps, with a new model in each round."""

    def make():
        model = kr.backbones.mlp((128,), classes=8)
        protocol.compile_for(model, keras.optimizers.SGD(LEARNING_RATE), steps=1)
        return model

    model, stream = make(), data.full_batch(x, y)
    for index in range(ROUNDS):
        *_, layer = BLOCKS[index * len(BLOCKS) // ROUNDS]
        moments(model, layer, x)
        model = rebuilt(make, model) if index else model
        protocol.fit(model, stream, 1, STEPS, [])


def extra_rounds(build, repeats, data, sample):
    """The seconds of extra rounds in place, and of those with a new model in each.

    Args:
        build: a function that gives a network, not compiled.
        repeats: int.
        data: inputs and labels of one batch.
        sample: inputs.
    """
    model = compiled(kr.ReinitModel(build()))
    blocks = len(model.blocks)
    return in_turn(
        repeats,
        in_place=rounds_in_place(model, data, sample),
        rebuilt=rounds_rebuilt(lambda: compiled(build()), blocks, data, sample),
    )


def synthetic_runs(repeats):
    """The seconds of the run of Table 1 in place, and of that with a new model in each round."""
    x, y = examples(256, (128,), 8)
    return in_turn(
        repeats,
        in_place=lambda: seconds_of(run_in_place, x, y),
        rebuilt=lambda: seconds_of(run_rebuilt, x, y),
    )


def main():
    """Measure and print."""
    options = arguments(__doc__, repeats=3).parse_args()
    taken, goals = {}, {}
    for name, (build, shape, classes, batch) in NETWORKS.items():
        if name == "vgg16" and not accelerators():
            build = functools.partial(build, width=0.25)
        x, y = examples(SAMPLE, shape, classes)
        build = functools.partial(build, shape, classes)
        what = f"{name}, extra round"
        taken[what] = extra_rounds(build, options.repeats, (x[:batch], y[:batch]), x)
        goals[what] = 10
    if keras.backend.backend() == "tensorflow":  # its stream and its compiled epoch
        taken["mlp, synthetic run"] = synthetic_runs(options.repeats)
        goals["mlp, synthetic run"] = 3
    ratios = {
        f"{what}, rebuilt / in place": ratio(
            seconds["rebuilt"], seconds["in_place"], at_least=goals[what]
        )
        for what, seconds in taken.items()
    }
    seconds = {
        f"{what}, {how.replace('_', ' ')}": values
        for what, ways in taken.items()
        for how, values in ways.items()
    }
    report("Rounds in place, and with a new model in each", seconds, ratios, options.json)


if __name__ == "__main__":
    main()
