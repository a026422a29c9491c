"""The normalisation that the papers vary, by name."""

import keras


def normalization(norm, name):
    """Returns the normalisation layer called `norm`.

    Args:
        norm: `"group"` (one group over all axes of an example: the layer normalisation of the
            papers), `"batch"` (batch normalisation) or `None`.
        name: name of the layer.

    Returns:
        A new layer, or `None` where `norm` is `None`.

    Raises:
        ValueError: if `norm` is something else.
    """
    if norm is None:
        return None
    if norm == "group":
        return keras.layers.GroupNormalization(groups=1, name=name)
    if norm == "batch":
        return keras.layers.BatchNormalization(name=name)
    raise ValueError(
        f"Unknown normalisation. Received: norm={norm!r}. Expected 'group', 'batch' or None."
    )
