"""What a plan knows of a data set without looking into it."""

_KNOWN: dict[str, tuple[int, tuple, int]] = {
    "cifar100": (50_000, (32, 32, 3), 100),
    "digits": (898, (8, 8, 1), 10),
    "fashion_mnist": (60_000, (28, 28, 1), 10),
    "imdb_reviews": (25_000, (), 2),
    "mnist": (60_000, (28, 28, 1), 10),
    "svhn_cropped": (73_257, (32, 32, 3), 10),
}
_OTHERS = (50_000, (32, 32, 3), 10)  # CIFAR-10


def known(dataset, image_size=None):
    """Size and form of a data set; those of CIFAR-10 for one that is not known.

    Args:
        dataset: its name, or None.
        image_size: side that images are resized to, or None to leave them as they are.

    Returns:
        (examples of the training split, shape of one, number of classes); a text has no shape.
    """
    examples, shape, classes = _KNOWN.get(dataset, _OTHERS)
    return examples, (image_size, image_size, shape[-1]) if image_size else shape, classes
