"""Outputs of a classifier on arrays, the model being left as it was found."""

import keras
import numpy as np

from keras_reinit.core import check_bool, check_int


def examples(x):
    """The number of examples in an array, or in a structure of arrays of one length.

    Raises:
        TypeError: if it holds something else than arrays.
        ValueError: if it is empty, or the arrays differ in length.
    """
    arrays = keras.tree.flatten(x)
    if not all(hasattr(array, "shape") and len(array.shape) for array in arrays):
        raise TypeError(
            f"Examples are an array or a structure of arrays. Received: x of {type(x)}. Expected "
            "e.g. x=np.concatenate([images for images, _ in data])"
        )
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(
            "At least one example is needed, and as many from each input. Received: x of lengths "
            f"{[len(array) for array in arrays]}"
        )
    return lengths.pop()


def take(x, index):
    """The examples of an array, or of a structure of arrays, at a slice or list of indices."""
    return keras.tree.map_structure(lambda array: array[index], x)


def batches(x, batch_size):
    """Slices of at most `batch_size` examples that cover all of x."""
    batch_size = check_int("batch_size", batch_size)
    return [slice(start, start + batch_size) for start in range(0, examples(x), batch_size)]


def predict(model, x, batch_size):
    """The model's one output on x in inference mode, shape (n, classes), float64.

    The same compiled function at every call, and none of the time that `model.predict` takes to
    make an iterator. It may change the states that `unchanged` looks after.

    Raises:
        ValueError: if the output is not one score a class for each example.
    """
    outputs = []
    for batch in batches(x, batch_size):
        scores = model.predict_on_batch(take(x, batch))
        length = batch.stop - batch.start
        if not hasattr(scores, "shape") or len(scores.shape) != 2 or scores.shape[1] < 2:
            raise ValueError(
                f"Model '{model.name}' does not classify. Received: outputs of shape "
                f"{keras.tree.map_structure(np.shape, scores)}. Expected (examples, classes) with "
                "at least two classes"
            )
        # Under a distribution strategy each replica gets, and returns, the whole batch.
        outputs.append(np.asarray(scores[:length], "float64"))
    return np.concatenate(outputs)[: examples(x)]


def check_model(model):
    """Refuse what is no built model.

    Raises:
        TypeError, ValueError: if so.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"Expected a keras.Model. Received: model={model!r} ({type(model)})")
    if not model.built:
        raise ValueError(f"Model '{model.name}' has no weights yet. Call it on a batch of data")


def check_labels(y, count, classes):
    """Labels as an int vector.

    Raises:
        ValueError: if they are not one int in [0, classes) for each example.
    """
    labels = np.asarray(y)
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"Labels are one int for each of {count} examples. Received: y of shape "
            f"{labels.shape}, dtype {labels.dtype}. Expected e.g. y=one_hot.argmax(-1)"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"A label is none of the model's {classes} classes. Received: y from {labels.min()} to "
            f"{labels.max()}. Expected ints from 0 to {classes - 1}"
        )
    return labels


def check_scores(model, scores, from_logits):
    """Refuse scores that are not finite, or not what `from_logits` says they are.

    Raises:
        ValueError: if so.
    """
    check_bool("from_logits", from_logits)
    if not np.isfinite(scores).all():
        raise ValueError(
            f"The outputs of model '{model.name}' are not finite for "
            f"{int((~np.isfinite(scores)).any(-1).sum())} of {len(scores)} examples: it has "
            "diverged, or its inputs are not finite"
        )
    # Half precision leaves a sum this far from 1.
    are_probabilities = (scores >= 0).all() and np.allclose(scores.sum(-1), 1, rtol=0, atol=1e-2)
    if are_probabilities and from_logits:
        raise ValueError(
            f"Model '{model.name}' returns probabilities. Received: from_logits=True. Expected "
            "from_logits=False"
        )
    if not are_probabilities and not from_logits:
        raise ValueError(
            f"Model '{model.name}' does not return probabilities. Received: from_logits=False, "
            f"outputs from {scores.min():.4g} to {scores.max():.4g}. Expected from_logits=True"
        )
