"""How the other ratios grow: perceptrons of 1e5 to 1e8 weights, and replicas.

Command: `python -m benchmarks.growth [--repeats 1] [--json FILE]`, about 7 minutes.

256-w-w-w-10, and 1e5 weights on 1, 2 and 4 replicas, which on a CPU are logical devices that share
its cores. As defined in the benchmark that is named, and with no aim of their own:
  `fit_overhead`: share of an epoch, of two batches of 32, outside of LW;
  `redraw`: time, `reinitialize` / one random draw of that size on one device;
  `rounds`: time of an extra round, rebuilt / in place. Where most of the time goes into drawing and
    measuring, which both do, this falls.
"""

import contextlib
import functools
import gc
import itertools
import math

import keras

import keras_reinit as kr
from benchmarks.fit_overhead import compiled, epoch_timer_of_method, examples
from benchmarks.machine import accelerators
from benchmarks.ratios import arguments, in_turn, ratio, report, seconds_of
from benchmarks.redraw import one_draw, waited_for
from benchmarks.rounds import extra_rounds

PARAMETERS = (10**5, 10**6, 10**7, 10**8)
REPLICAS = (1, 2, 4)
FEATURES, CLASSES = 256, 10
BATCH, BATCHES, EPOCHS, SAMPLE = 32, 2, 5, 64


def perceptron(parameters):
    """A function that builds a perceptron of three hidden layers with about so many weights."""
    inside = FEATURES + CLASSES
    width = round((math.sqrt(inside**2 + 8 * parameters) - inside) / 4)
    return functools.partial(
        kr.backbones.mlp, (FEATURES,), CLASSES, (width,) * 3, kernel_initializer="he_normal"
    )


def measure(build, repeats, scope):
    """The seconds of a network in the scope of a strategy, and the three ratios: two dicts."""
    x, y = examples(max(SAMPLE, BATCH * BATCHES), (FEATURES,), CLASSES)
    data = x[: BATCH * BATCHES], y[: BATCH * BATCHES]
    draw = one_draw(build().count_params())
    outside = []
    with scope:
        model = compiled(kr.ReinitModel(build()))
        until = kr.rounds.Fixed(epochs=10 * EPOCHS)
        lw = kr.callbacks.LayerwiseReinit(x[:SAMPLE], until=until, seed=0)
        seeds = itertools.count()
        redraw = waited_for(lambda: kr.reinitialize(model, seed=next(seeds)), model)
        fit = in_turn(repeats, epoch=epoch_timer_of_method(model, data, BATCH, EPOCHS, lw, outside))
        draws = in_turn(
            5 * repeats,
            one_draw=functools.partial(seconds_of, draw),
            reinitialize=functools.partial(seconds_of, redraw),
        )
        rounds = extra_rounds(build, repeats, (x[:BATCH], y[:BATCH]), x[:SAMPLE])
    return fit | draws | rounds, {
        "share of an epoch outside of LW": ratio(outside, [1.0]),
        "time, reinitialize / one draw": ratio(draws["reinitialize"], draws["one_draw"]),
        "time, extra round, rebuilt / in place": ratio(rounds["rebuilt"], rounds["in_place"]),
    }


def split_cpu(devices):
    """Have TensorFlow see one CPU as several; before it does anything else."""
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * devices,
    )


def scopes():
    """{replicas: a context in which models have so many} for those that there can be."""
    yield 1, contextlib.nullcontext()
    if keras.backend.backend() == "tensorflow":
        kind, most = ("GPU", len(accelerators())) if accelerators() else ("CPU", max(REPLICAS))
        for count in REPLICAS:
            if 1 < count <= most:
                devices = [f"{kind}:{index}" for index in range(count)]
                yield count, kr.distribution.strategy("mirrored", devices).scope()


def settings():
    """What is varied, at which value, the network and the scope, smallest first."""
    for parameters in PARAMETERS:
        yield "parameters", parameters, perceptron(parameters), contextlib.nullcontext()
    for replicas, scope in scopes():
        yield "replicas", replicas, perceptron(PARAMETERS[0]), scope


def main():
    """Measure and print."""
    options = arguments(__doc__, repeats=1).parse_args()
    if keras.backend.backend() == "tensorflow" and not accelerators():
        split_cpu(max(REPLICAS))
    all_seconds, ratios = {}, {}
    for over, at, build, scope in settings():
        seconds, ratios_here = measure(build, options.repeats, scope)
        for curve, figures in ratios_here.items():
            place = {"curve": curve, "over": over, "at": at}
            ratios[f"{curve}, {at:g} {over}"] = figures | place
        for name, values in seconds.items():
            all_seconds[f"{name}, {at:g} {over}"] = values
        keras.utils.clear_session()
        gc.collect()
    report("Growing perceptrons, and replicas", all_seconds, ratios, options.json)


if __name__ == "__main__":
    main()
