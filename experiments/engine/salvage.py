"""What a damaged SQLite file still holds of a store: its records, whatever leads to them.

Pages, indexes and the list of tables are not needed: a record of `runs` begins with its spec, whose
first characters are known, right after a header that tells the length of every column. So each is
found by itself, and damage elsewhere does not matter. What was overwritten in the file, but is in
it still, is found too.

Reference:
    https://www.sqlite.org/fileformat2.html, sections 1.6 and 2.1.
"""

import itertools
import struct

from experiments.engine.rows import TABLES

_PAGE_SIZE = 4096  # of a file whose header does not tell
_MARK = b'{"'  # every spec begins so, and all settings do
_BEFORE = {"runs": 0, "requests": 1, "checksums": 0}  # columns that stand before the mark
_LONGEST_REQUEST_HEADER = 8
_LOOK_BACK = 80  # bytes: a header, and the name of an experiment before its settings
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}  # bytes of each type


def records(content):
    """The rows that the bytes of a file hold, damaged ones among them.

    Args:
        content: bytes of the file, the header included.

    Yields:
        (name of its table, dict of the row's columns)
    """
    size = _page_size(content)
    place = content.find(_MARK)
    while place >= 0:
        for start in range(max(place - _LOOK_BACK, place // size * size), place):
            found = _record(content, size, start, place)
            if found is not None:
                yield found
                break
        place = content.find(_MARK, place + 1)


def _page_size(content):
    size = int.from_bytes(content[16:18], "big")
    size = 65536 if size == 1 else size
    return size if size >= 512 and not size & (size - 1) else _PAGE_SIZE


def _record(content, size, start, place):
    """The row whose record begins at a byte, if the mark at `place` is where it should be."""
    header = content[start]  # its own length, this byte included
    if header != place - start and not 4 <= header <= _LONGEST_REQUEST_HEADER:
        return None
    types, at = [], start + 1
    while at < start + header:
        kind, at = _varint(content, at)
        types.append(kind)
    if at != start + header:
        return None
    for table, columns in TABLES.items():
        before = sum(map(_length, types[: _BEFORE[table]]))
        if len(types) == len(columns) and at + before == place:
            payload = _payload(content, size, start, header + sum(map(_length, types)))
            return table, dict(zip(columns, _values(payload, header, types), strict=True))
    return None


def _payload(content, size, start, length):
    """The bytes of a record, those on overflow pages included; as many as there are."""
    most, least = size - 35, (size - 12) * 32 // 255 - 23
    if length <= most:
        return content[start : start + length]
    local = least + (length - least) % (size - 4)
    local = local if local <= most else least
    parts, at, left = [content[start : start + local]], start + local, length - local
    for _ in range(len(content) // size):
        page = (int.from_bytes(content[at : at + 4], "big") - 1) * size
        if left <= 0 or not 0 < page < len(content):
            break
        parts.append(content[page + 4 : page + min(size, 4 + left)])
        at, left = page, left - (size - 4)
    return b"".join(parts)


def _values(payload, start, types):
    """The columns of a record; one that is cut off is as long as it is."""
    lengths = list(map(_length, types))
    ends = itertools.accumulate(lengths, initial=start)
    return [
        _value(payload[at : at + length], kind)
        for at, length, kind in zip(ends, lengths, types, strict=False)
    ]


def _value(content, kind):
    if kind >= 13 and kind % 2:
        return content.decode(errors="backslashreplace")
    if kind == 7 and len(content) == 8:
        return struct.unpack(">d", content)[0]
    if kind in (8, 9):
        return kind - 8
    if kind in _INTEGERS:
        return int.from_bytes(content, "big", signed=True)
    return None if kind == 0 else content


def _length(kind):
    if kind >= 12:
        return (kind - 12) // 2
    return 8 if kind == 7 else _INTEGERS.get(kind, 0)


def _varint(content, at):
    """A number of one to nine bytes, and where it ends."""
    value = 0
    for count, byte in enumerate(content[at : at + 9], 1):
        if count == 9:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + count
    return value, at + 9
