"""What one re-initialisation costs: a whole ResNet50 against one draw of the same size.

Command: `python -m benchmarks.redraw [--repeats 25] [--json FILE]`, under a minute.

The yardstick is one truncated normal draw of all 25.6 M values (as He normal needs) plus one copy.
Ratio of times, within one run: aim <= 2.
"""

import time

import keras
import numpy as np

import keras_reinit as kr
from benchmarks.ratios import arguments, in_turn, ratio, report


def resnet50():
    """The ResNet50 of `keras.applications`, with He normal kernels."""

    def with_he_normal(layer):
        config = layer.get_config()
        if "kernel_initializer" in config:
            config["kernel_initializer"] = "he_normal"
        return type(layer).from_config(config)

    model = keras.applications.ResNet50(weights=None)
    return keras.models.clone_model(model, clone_function=with_he_normal)


def seconds_of(action):
    """How long an action takes, as a list of one timing."""
    start = time.perf_counter()
    action()
    return [time.perf_counter() - start]


def main():
    """Measure and print."""
    options = arguments(__doc__, repeats=25).parse_args()
    model = resnet50()
    size = model.count_params()
    target = keras.Variable(np.zeros(size, "float32"))
    seeds = iter(range(1000))

    def draw_and_copy():
        target.assign(keras.random.truncated_normal((size,), seed=next(seeds)))
        np.asarray(target.value)

    seconds = in_turn(
        options.repeats,
        one_draw_and_copy=lambda: seconds_of(draw_and_copy),
        reinitialize=lambda: seconds_of(lambda: kr.reinitialize(model, seed=next(seeds))),
    )
    ratios = {
        "time, reinitialize / one draw": ratio(
            seconds["reinitialize"], seconds["one_draw_and_copy"]
        )
    }
    report(f"ResNet50, {size / 1e6:.1f} M weights, He normal", seconds, ratios, options.json)


if __name__ == "__main__":
    main()
