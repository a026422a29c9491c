"""A square hole in an image."""

from keras import ops


def cutout(images, rows, columns, size=16, fill=0.0):
    """Overwrite a square around a pixel of each image; what lies beyond the border is cut off.

    `y[i, r, c] = fill` where `rows[i] - size // 2 <= r < rows[i] - size // 2 + size`, and likewise
    for the columns, else `images[i, r, c]`

    With centers uniform over all pixels it is the augmentation of that name.

    Args:
        images: array (n, height, width, channels).
        rows: ints (n,), row of each hole's center.
        columns: ints (n,), column of each hole's center.
        size: side of the hole in pixels, at least 1.
        fill: what a hole is filled with.

    Returns:
        An array like `images`.

    Example:
        >>> cutout(np.ones((1, 3, 3, 1)), rows=[0], columns=[2], size=2)[0, :, :, 0]
        array([[1., 0., 0.], [1., 1., 1.], [1., 1., 1.]])

    Reference:
        DeVries & Taylor 2017.
    """
    _, height, width, _ = ops.shape(images)

    def inside(center, side):
        offset = ops.arange(side)[None] - ops.cast(ops.convert_to_tensor(center), "int32")[:, None]
        return ops.logical_and(offset >= -(size // 2), offset < size - size // 2)

    hole = ops.logical_and(inside(rows, height)[:, :, None], inside(columns, width)[:, None, :])
    return ops.where(hole[..., None], ops.cast(fill, images.dtype), images)
