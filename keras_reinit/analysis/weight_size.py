"""The size of a network's weights, its normalisations counted in."""

import contextlib
from typing import NamedTuple

import keras
import numpy as np

from keras_reinit.analysis.effective import effective, normalized_layers, pairs
from keras_reinit.analysis.inference import batches, examples, take
from keras_reinit.core import check_int, check_numbers, fold_in
from keras_reinit.layers import WeightNormalization
from keras_reinit.weights.select import list_weights
from keras_reinit.weights.snapshot import unchanged


def weight_size(model, x, head=None, count=256, seed=0, batch_size=64):
    """Norm of the classifier head's input on some examples, times the norm of its kernel.

    `size = ||input of head||_F * ||kernel of head||_F`

    The kernel of a weight-normalised head is the one it computes with, `g * v / ||v||`.

    It stands for the product of all layers' norms, which normalisations make meaningless on its
    own. It grows with the root of the number of examples, so compare sizes of as many. The
    model is left as it was found.

    Args:
        model: a built `keras.Model`; of any kind, it is run as it is.
        x: training examples as an array, or a structure of arrays for several inputs.
        head: name of the head's layer; None for the last layer with a kernel.
        count: how many of the examples to take, at random without repetition; all of them where
            there are fewer.
        seed: int that chooses the examples.
        batch_size: examples in one batch.

    Returns:
        A float.

    Raises:
        TypeError: if `x` holds something else than arrays, or `seed` is not an int.
        ValueError: if there is no example, `count` is below 1, the head is unknown, has no kernel
            or is not run, or its input or kernel is not finite.

    Example:
        >>> weight_size(model, x_train) / weight_size(baseline, x_train)
        1.02

    Reference:
        Alabdulmohsin et al. 2021, Appendix D and Figure 7.
    """
    count = check_int("count", count)
    layer = _head(model, head)
    order = np.random.default_rng(fold_in(seed, "examples")).permutation(examples(x))
    sample = take(x, np.sort(order[:count]))
    square = 0.0
    with unchanged(model.variables), _recorded(layer) as seen:
        for batch in batches(sample, batch_size):
            seen.clear()
            model(take(sample, batch), training=False)
            if not seen:
                raise ValueError(f"Model '{model.name}' does not run its layer '{layer.name}'")
            square += np.square(_float64(seen[-1])).sum()
    size = float(np.sqrt(square) * np.linalg.norm(_float64(_kernel(layer))))
    if not np.isfinite(size):
        raise ValueError(
            f"The input or kernel of layer '{layer.name}' is not finite: model '{model.name}' has "
            "diverged, or its inputs are not finite"
        )
    return size


class Gaussian(NamedTuple):
    """A normal distribution.

    Attributes:
        mean: its centre.
        deviation: its standard deviation; 0 where it was fitted to one number.
    """

    mean: float
    deviation: float


def gaussian_density(ratios):
    """Fit a normal distribution to the ratios of one method's weight sizes to the baseline's.

    `mean = sum(ratios) / n`, `deviation = sqrt(sum((ratios - mean)^2) / (n - 1))`

    Args:
        ratios: `weight_size` of the method over that of the baseline, one per pair of runs.

    Returns:
        A `Gaussian(mean, deviation)`.

    Raises:
        ValueError: if there is no ratio, or one is not a positive finite number.

    Example:
        >>> gaussian_density([0.5, 1.0, 1.5])
        Gaussian(mean=1.0, deviation=0.5)

    Reference:
        Alabdulmohsin et al. 2021, Figure 7.
    """
    values = check_numbers("ratios", ratios, least=0)
    if not values.size or not values.all():
        raise ValueError(f"Ratios are positive finite numbers. Received: ratios={ratios!r}")
    return Gaussian(float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0)


def _head(model, name):
    wrapper = {id(layer.layer): layer for layer in normalized_layers(model)}
    layers = [
        wrapper.get(id(weight.layer), weight.layer)
        for weight in list_weights(model)
        if hasattr(weight.layer, "kernel")
    ]
    chosen = [layer for layer in layers if name in (None, layer.name)]
    if not chosen:
        names = list(dict.fromkeys(layer.name for layer in layers))
        raise ValueError(
            f"Model '{model.name}' has no such layer with a kernel. Received: head={name!r}. "
            f"Expected one of {names}"
        )
    return chosen[-1]


def _kernel(layer):
    """The kernel that a layer computes with."""
    if isinstance(layer, WeightNormalization):
        return effective(*pairs(layer)[0])
    return layer.kernel


@contextlib.contextmanager
def _recorded(layer):
    """Collect the inputs of a layer's calls: of *this* model, and with no graph traced for it."""
    seen, call = [], layer.call

    def recording(inputs, *args, **kwargs):
        seen.append(inputs)
        return call(inputs, *args, **kwargs)

    # Past Keras's `__setattr__`, which tracks what it is given; `call` is found on the class again
    # once this one is gone.
    object.__setattr__(layer, "call", recording)
    try:
        yield seen
    finally:
        object.__delattr__(layer, "call")


def _float64(array):
    return keras.ops.convert_to_numpy(array).astype("float64")
