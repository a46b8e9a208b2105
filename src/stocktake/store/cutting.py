"""Numbers and bytes for those who cut many texts out of one buffer: where they begin, what is between two bounds, or
between separators.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from functools import lru_cache

import pyarrow as pa
import stringzilla

INT = pa.int32()
_RAMPS_MAX = 32
_OFFSET_BYTES = 4


def ramp(length: int, step: int = 1, first: int = 0) -> pa.Int32Array:
    """The numbers first, first + step, first + 2 * step and so on."""
    return _long_ramp(1 << length.bit_length(), step, first)[:length]


@lru_cache(maxsize=_RAMPS_MAX)
def _long_ramp(length: int, step: int, first: int) -> pa.Int32Array:
    return pa.array(range(first, first + length * step, step), INT)


def offsets(texts: pa.BinaryArray) -> pa.Int32Array:
    """Where they begin in their buffer, and where the last one ends."""
    buffers = [None, texts.buffers()[1]]
    return pa.Array.from_buffers(INT, len(texts) + 1, buffers, offset=texts.offset)


def binaries(bounds: pa.Int32Array, data: pa.Buffer) -> pa.BinaryArray:
    """What stands in `data` from each bound to the next one.

    Raises:
        pa.ArrowInvalid: the bounds do not ascend, or leave the data.
    """
    buffers = [None, bounds.buffers()[1], data]
    made = pa.Array.from_buffers(pa.binary(), len(bounds) - 1, buffers, offset=bounds.offset)
    made.validate(full=True)
    return made


def split(data: bytes, separator: str) -> pa.BinaryArray:
    """What stands in front of the separators, between them and behind the last one.

    StringZilla finds them in less than half of the time that Arrow's own kernel takes, and keeps what it found as Arrow
    would, so that it need not be copied. The separator is ASCII.

    Raises:
        pa.ArrowInvalid: it kept them otherwise, as it does where `data` is 2 GiB or longer.
    """
    parts = stringzilla.Str(data).split(separator)
    if len(data) == (len(parts) - 1) * len(separator):
        return pa.repeat(b"", len(parts))  # of nothing at all, it keeps nothing
    bounds = pa.foreign_buffer(parts.offsets_address, parts.offsets_nbytes, parts)
    if bounds.size != (len(parts) + 1) * _OFFSET_BYTES:
        raise pa.ArrowInvalid(f"the bounds of {len(parts)} parts take {bounds.size} bytes")
    texts = pa.foreign_buffer(parts.tape_address, parts.tape_nbytes, parts)
    made = pa.Array.from_buffers(pa.binary(), len(parts), [None, bounds, texts])
    made.validate(full=True)  # it is memory of another library, whose next version may be another
    return made


def integers(numbers: Iterable[int]) -> pa.Int32Array:
    """The numbers as an array."""
    return pa.Array.from_buffers(INT, len(made := array("i", numbers)), [None, pa.py_buffer(made)])


def integer(number: int) -> pa.Int32Scalar:
    """The number as a scalar."""
    return pa.scalar(number, INT)
