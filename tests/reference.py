"""Every method once more, in plain NumPy, as its equations are written.

A network is a list of layers from input to output; a layer is a dict `{variable name: array}`, an
empty one for a layer without weights. Nothing here imports Keras or the package under test.
"""

import numpy as np

# -- Masks ---------------------------------------------------------------------------------------


def smallest(w, fraction):
    """True for the round(fraction * size) smallest |w|, ties by index."""
    order = np.argsort(np.abs(w).ravel(), kind="stable")
    mask = np.zeros(w.size, bool)
    mask[order[: round(fraction * w.size)]] = True
    return mask.reshape(w.shape)


def smallest_of_all(arrays, fraction):
    """The same over all arrays together."""
    mask = smallest(np.concatenate([w.ravel() for w in arrays]), fraction)
    ends = np.cumsum([w.size for w in arrays])[:-1]
    return [m.reshape(w.shape) for m, w in zip(np.split(mask, ends), arrays, strict=True)]


# -- Methods without blocks ----------------------------------------------------------------------


def subset_reinit(w, fresh, mask):
    """WELSR, WELS and DSD differ in the mask only: w <- (1 - s) w + s w_fresh."""
    s = mask.astype(w.dtype)
    return (1 - s) * w + s * fresh


def shrink_perturb(w, fresh, shrink, perturb):
    """S&P: w <- shrink w + perturb w_fresh."""
    return shrink * w + perturb * fresh


def fully_connected_reinit(network, fresh, dense):
    """FC: the layers whose indices are in `dense` are new, the others are as they were."""
    return [fresh[i] if i in dense else layer for i, layer in enumerate(network)]


# -- Layerwise re-initialisation -----------------------------------------------------------------


def norm(*arrays):
    return np.sqrt(sum(np.sum(w.astype("float64") ** 2) for w in arrays))


def rescale(layer, initial, unit):
    """Back to the norm at initialisation: "variables", "kernels", "layers" or None."""
    if unit is None or not layer:
        return dict(layer)
    if unit == "layers":
        factor = norm(*initial.values()) / norm(*layer.values())
        return {name: w * factor for name, w in layer.items()}
    return {
        name: w
        if norm(w) == 0 or (unit == "kernels" and name != "kernel")
        else w * (norm(initial[name]) / norm(w))
        for name, w in layer.items()
    }


def layerwise_reinit(network, initial, fresh, forward, ends, k, normalizations, x, unit):
    """Algorithm 1, lines 3 to 12, for block k (from 0).

    Args:
        network: the layers as training left them.
        initial: the layers at initialisation.
        fresh: newly drawn layers.
        forward: one function (layer, z) -> z a layer.
        ends: index of the last layer of each block.
        k: the block in question.
        normalizations: (mean, stddev) of each block.
        x: the sample.
        unit: of the norms.

    Returns:
        The new layers, and the new (mean, stddev) of each block.
    """
    boundary = ends[k] + 1
    kept = [rescale(network[i], initial[i], unit) for i in range(boundary)]
    z = x.astype("float64")
    for i in range(boundary):
        z = forward[i](kept[i], z)
        if i in ends[:k]:
            mean, stddev = normalizations[ends.index(i)]
            z = (z - mean) / stddev
    new_normalizations = list(normalizations)
    new_normalizations[k] = (z.mean(), z.std())
    return kept + fresh[boundary:], new_normalizations


# -- Layers --------------------------------------------------------------------------------------


def dense(layer, z):
    return z @ layer["kernel"] + layer["bias"]


def relu(_, z):
    return np.maximum(z, 0)


def flatten(_, z):
    return z.reshape(len(z), -1)


def max_pooling(_, z):
    """2 x 2, images of even size."""
    n, h, w, c = z.shape
    return z.reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))


def convolution(layer, z):
    """3 x 3, stride 1, zero padding."""
    padded = np.pad(z, ((0, 0), (1, 1), (1, 1), (0, 0)))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return np.einsum("nhwcij,ijco->nhwo", patches, layer["kernel"]) + layer["bias"]


def batch_normalization(layer, z, epsilon=1e-3):
    """In inference mode, the statistics having just been re-estimated on z itself."""
    axes = tuple(range(z.ndim - 1))
    normalized = (z - z.mean(axes)) / np.sqrt(z.var(axes) + epsilon)
    return normalized * layer["gamma"] + layer["beta"]
