"""The data that a network is measured on: refused by name, and gone through in batches."""

import keras
import numpy as np

_BATCH = 64  # examples of a sample that are measured at once


def check_sample(model, sample):
    """Refuse a sample that is empty, without end, not finite, or does not come in batches.

    Args:
        model: the `keras.Model` that is to see it.
        sample: inputs as `predict` takes them.

    Raises:
        ValueError: if so.
    """
    if sample is None or isinstance(sample, str | int | float):
        raise ValueError(
            f"The data that a network is measured on are none. Received: data={sample!r}. Expected "
            "an array, a structure of arrays, or a data set, such as x_train[:256]"
        )
    if hasattr(sample, "element_spec"):
        _check_data_set(model, sample)
        return
    if hasattr(sample, "__next__"):
        raise ValueError(
            "A sample is gone through more than once. Received: a generator. Expected an array, a "
            "structure of arrays, or a data set"
        )
    if not _is_arrays(sample):
        return
    for array in _leaves(sample):
        values = array.data if _is_sparse(array) else keras.ops.convert_to_numpy(array)
        is_float = np.issubdtype(values.dtype, np.floating)
        if not array.shape[0] or (is_float and not np.isfinite(values).all()):
            raise ValueError(
                "A sample has some examples, and finite ones. Received: an array of shape "
                f"{array.shape}" + (" with values that are not finite" if array.shape[0] else "")
            )
    size, batch = _leaves(sample)[0].shape[0], fixed_batch(model)
    if batch is not None and size % batch:
        raise ValueError(
            f"Model '{model.name}' takes batches of {batch} examples. Received: a sample of "
            f"{size}. Expected a multiple of {batch}"
        )


def predict(model, sample, whole=False, batch=None):
    """As `model.predict`, without what it costs to make an iterator over an array.

    Args:
        model: `keras.Model` that gives a list.
        sample: inputs that `check_sample` has accepted.
        whole: take all of an array as one batch.
        batch: examples of a batch of arrays; None for some that fit into memory.

    Returns:
        A list of NumPy arrays.
    """
    if not _is_arrays(sample):
        return model.predict(sample, verbose=0)
    sample = keras.tree.map_structure(lambda a: a.tocsr() if _is_sparse(a) else a, sample)
    size = _leaves(sample)[0].shape[0]
    step = batch or (size if whole else _BATCH)
    batches = [
        model.predict_on_batch(
            keras.tree.map_structure(lambda a, at=at: _part(a, at, step), sample)
        )
        for at in range(0, size, step)
    ]
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def fixed_batch(model):
    """The number of examples that a model takes at once; None for any."""
    return next((t.shape[0] for t in getattr(model, "inputs", None) or () if t.shape), None)


def _part(array, start, step):
    if array is None:  # an optional input
        return None
    part = array[start : start + step]
    return part.toarray() if _is_sparse(part) else part


def _check_data_set(model, data):
    """Refuse a `tf.data.Dataset` that is empty, repeats for ever, or has single examples."""
    count = int(data.cardinality())
    is_empty = count == 0 or (count == -2 and next(iter(data), None) is None)  # -2: unknown
    if is_empty or count == -1:
        raise ValueError(
            "A sample has some examples and an end. Received: a data set that is empty or "
            "repeats for ever. Expected e.g. sample=data.take(4)"
        )
    spec = data.element_spec
    spec = spec[0] if isinstance(spec, tuple) else spec
    pairs = zip(keras.tree.flatten(spec), getattr(model, "inputs", None) or (), strict=False)
    for each, expected in pairs:
        if each.shape.rank is not None and each.shape.rank == len(expected.shape) - 1:
            raise ValueError(
                "A data set as a sample gives batches. Received: single examples of shape "
                f"{tuple(each.shape)}. Expected e.g. sample=data.batch({_BATCH})"
            )


def _leaves(sample):
    return [array for array in keras.tree.flatten(sample) if array is not None]


def _is_arrays(sample):
    leaves = _leaves(sample)
    return bool(leaves) and all(hasattr(array, "shape") for array in leaves)


def _is_sparse(array):
    """Whether an array is a sparse matrix of SciPy."""
    return hasattr(array, "toarray")
