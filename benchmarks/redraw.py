"""What one re-initialisation costs: a whole ResNet50, and each method on it, against one draw.

Command: `python -m benchmarks.redraw [--repeats 15] [--json FILE]`, about 2 minutes.

The yardstick is one truncated normal draw of all 25.6 M values (as He normal needs) plus one copy.
A method's timing is the start of one of its rounds: checks, masks, draws and assignments; of LW,
in the lowest block, without its forward pass over the sample. Ratio of times, within one run: aim
<= 1.3. The memory is the most that the process holds beyond what it held before, as a multiple of
the largest variable: aim <= 2. Linux alone tells it.
"""

import ctypes
import functools
import gc
import itertools
import math
import pathlib

import keras
import numpy as np

import keras_reinit as kr
from benchmarks.machine import accelerators, wait_for
from benchmarks.ratios import arguments, in_turn, ratio, report, seconds_of

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # as in malloc.h
UNTIL = kr.rounds.Fixed(epochs=1)
FOR_EVER = {"until": UNTIL, "rounds": 10**6, "seed": 0}
METHODS = {
    "WELSR": lambda: kr.callbacks.RandomSubsetReinit(**FOR_EVER),
    "WELS": lambda: kr.callbacks.FixedSubsetReinit(**FOR_EVER),
    "DSD": lambda: kr.callbacks.MagnitudeReinit(**FOR_EVER),
    "FC": lambda: kr.callbacks.FullyConnectedReinit(**FOR_EVER),
    "S&P": lambda: kr.callbacks.ShrinkPerturb(**FOR_EVER),
    "LW": lambda: kr.callbacks.LayerwiseReinit(
        until=UNTIL, iterations=10**6, normalize=False, seed=0
    ),
}


def resnet50():
    """The ResNet50 of `keras.applications`, with He normal kernels."""

    def with_he_normal(layer):
        config = layer.get_config()
        if "kernel_initializer" in config:
            config["kernel_initializer"] = "he_normal"
        return type(layer).from_config(config)

    model = keras.applications.ResNet50(weights=None)
    return keras.models.clone_model(model, clone_function=with_he_normal)


def starts_of_rounds(method, model):
    """A function that starts the next round of a method, which then is over at once."""
    epochs = itertools.count(1)

    def start():
        epoch = next(epochs)
        method.on_epoch_end(epoch - 1, {})
        method.on_epoch_begin(epoch)

    method.set_model(model)
    method.on_train_begin()
    method.on_epoch_begin(0)
    return start


def one_draw(size):
    """A function that draws values and copies them, and is done when both are."""
    seeds = itertools.count()
    target = keras.Variable(np.zeros(size, "float32"))

    def draw_and_copy():
        target.assign(keras.random.truncated_normal((size,), seed=next(seeds)))
        copied = target.value + 0
        keras.ops.convert_to_numpy(copied[-1])

    return draw_and_copy


def waited_for(action, model):
    """A function that does an action on a model's weights, and is done when its device is."""

    def act():
        action()
        wait_for(model)

    return act


def return_freed_memory(above):
    """Have the C library give memory back to the system when it is freed, from a size on.

    Left alone it comes to 2**25 bytes by itself once a program has freed that much.

    Returns:
        Whether it does.
    """
    try:
        library = ctypes.CDLL("libc.so.6")
    except OSError:
        return False
    # The heap shrinks from twice that size on, the relation that the library itself keeps.
    return bool(
        library.mallopt(_MMAP_THRESHOLD, above) and library.mallopt(_TRIM_THRESHOLD, 2 * above)
    )


def peak_bytes(action):
    """The most memory that an action holds beyond what is held before it."""
    gc.collect()
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = _status("VmRSS")
    action()
    return _status("VmHWM") - before


def _status(name):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])


def main():
    """Measure and print."""
    options = arguments(__doc__, repeats=15).parse_args()
    memory_is_known = return_freed_memory(above=2**16) and not accelerators()
    model = resnet50()
    blocks = kr.ReinitModel(model)
    for each in (model, blocks):
        each.compile("sgd")
    seeds = itertools.count()
    actions = {"reinitialize": lambda: kr.reinitialize(model, seed=next(seeds))} | {
        name: starts_of_rounds(make(), blocks if name == "LW" else model)
        for name, make in METHODS.items()
    }
    ratios = _memory(model, actions) if memory_is_known else {}
    return_freed_memory(above=2**25)  # what the C library comes to by itself

    size = model.count_params()
    timed = {"one draw and copy": functools.partial(seconds_of, one_draw(size))} | {
        name: functools.partial(seconds_of, waited_for(action, model))
        for name, action in actions.items()
    }
    seconds = in_turn(options.repeats, **timed)
    ratios |= {
        f"time, {name} / one draw": ratio(seconds[name], seconds["one draw and copy"], at_most=1.3)
        for name in actions
    }
    report(f"ResNet50, {size / 1e6:.1f} M weights, He normal", seconds, ratios, options.json)


def _memory(model, actions):
    """The peak of each action as a multiple of the largest variable, of three after a warm-up."""
    largest = max(4 * math.prod(variable.shape) for variable in model.variables)
    ratios = {}
    for name, action in actions.items():
        action()
        low, middle, high = sorted(peak_bytes(action) / largest for _ in range(3))
        ratios[f"memory, {name} / largest"] = {
            "ratio": middle,
            "low": low,
            "high": high,
            "at_most": 2,
        }
    return ratios


if __name__ == "__main__":
    main()
