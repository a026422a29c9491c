"""What identifies the images of a folder: not the words of its path, but what is in it."""

import contextlib
import hashlib
import pathlib

from experiments.engine.errors import UsageError

FOLDER = "folder:"  # before the path, where a data set is named
_PATTERNS = ("train/*", "train/*/*", "test/*", "test/*/*")  # classes and images
_SUFFIX = "_digest"
_found: list[dict] = []  # {name: digest}, of each `once` that is under way


def digest(name):
    """A short text that differs where one image, its name or its class does.

    Args:
        name: of a data set, such as "folder:PATH", with images in `PATH/train/CLASS` and
            `PATH/test/CLASS`; only these count.

    Returns:
        A str, or None for a set that is not in a folder.

    Raises:
        UsageError: if one of the files cannot be read.
    """
    if not name.startswith(FOLDER):
        return None
    for known in reversed(_found):
        if name in known:
            return known[name]
    found = _digest(pathlib.Path(name.removeprefix(FOLDER)).expanduser())
    if _found:
        _found[-1][name] = found
    return found


def digests(values):
    """What a spec has beside its values: of each that names a folder, {"..._digest": digest}."""
    return {
        name + _SUFFIX: digest(value)
        for name, value in values.items()
        if isinstance(value, str) and value.startswith(FOLDER)
    }


def without_digests(spec):
    """The values of a spec."""
    return {name: value for name, value in spec.items() if not name.endswith(_SUFFIX)}


@contextlib.contextmanager
def once(known=None):
    """Inside, each folder is looked at once, for all runs.

    Args:
        known: dict {name: digest} of folders that are not looked at, as their images were.

    Yields:
        The dict, which grows.
    """
    found = dict(known or {})
    _found.append(found)
    try:
        yield found
    finally:
        _found.remove(found)


def _digest(root):
    content = hashlib.sha256()
    try:
        for path in sorted(each for pattern in _PATTERNS for each in root.glob(pattern)):
            content.update(f"{path.relative_to(root).as_posix()!a}\n".encode())
            if path.is_file():
                content.update(hashlib.sha256(path.read_bytes()).digest())
    except OSError as error:
        raise UsageError(
            f"An image cannot be read ({error.strerror}: {error.filename}). Received: "
            f"'{FOLDER}{root}'. Expected a folder of images that you may read."
        ) from error
    return content.hexdigest()[:16]
