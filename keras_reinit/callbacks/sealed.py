"""A weights file that tells whether it is, byte by byte, what was written."""

import json
import os
import re
import zlib

import h5py
import numpy as np

from keras_reinit import distribution

FORMAT = 2

_FACTS = "keras_reinit"  # a data set in the file, beside what Keras writes
_SEAL = "\nkeras_reinit format {format:04d} crc32 {crc:08x}\n"
_LENGTH = len(_SEAL.format(format=0, crc=0))
_UNFINISHED = "unfinished.weights.h5"
_CHUNK = 2**20


def write(model, path, facts):
    """Write a model's weights, with some facts, so that a kill at any moment leaves the old file.

    All workers have to call this together; the first one writes.

    Args:
        model: `keras.Model`.
        path: `pathlib.Path`, which ends with ".weights.h5".
        facts: dict for JSON.
    """
    unfinished = path.with_name(_UNFINISHED)
    distribution.save_weights(model, unfinished)
    if not distribution.writes(model):
        return
    with h5py.File(unfinished, "a") as file:
        file[_FACTS] = np.frombuffer(json.dumps(facts).encode(), "uint8")
    crc = _crc(unfinished, os.path.getsize(unfinished))
    with open(unfinished, "ab") as file:  # HDF5 does not look beyond its own end
        file.write(_SEAL.format(format=FORMAT, crc=crc).encode())
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def read_facts(path):
    """The facts of a file that is whole.

    Raises:
        ValueError: if a byte of the file is another one than was written, or it has another format.
    """
    _check(path)
    with h5py.File(path, "r") as file:
        return json.loads(np.asarray(file[_FACTS]).tobytes().decode())


def remove(path):
    """Remove a file that was written, and what a kill inside its write has left."""
    path.unlink(missing_ok=True)
    path.with_name(_UNFINISHED).unlink(missing_ok=True)


def _check(path):
    length = os.path.getsize(path) - _LENGTH
    with open(path, "rb") as file:
        file.seek(max(length, 0))
        seal = file.read().decode("latin-1")
    known = re.fullmatch(r"\nkeras_reinit format (\d{4}) crc32 ([0-9a-f]{8})\n", seal)
    if known is None:
        reason = "it does not end as one that is whole: cut off, damaged, or of an older version"
    elif int(known[1]) != FORMAT:
        reason = f"it has format {int(known[1])}, and this version of keras_reinit reads {FORMAT}"
    elif int(known[2], 16) != _crc(path, length):
        reason = "its checksum is not that of what was written: it was damaged since"
    else:
        return
    raise ValueError(
        f"The backup '{path}' cannot be read: {reason}. Nothing was loaded. Remove it and start "
        "again, or give another directory"
    )


def _crc(path, length):
    """The CRC-32 of the first bytes of a file."""
    code = 0
    with open(path, "rb") as file:
        while length > 0:
            chunk = file.read(min(_CHUNK, length))
            code, length = zlib.crc32(chunk, code), length - len(chunk)
    return code
