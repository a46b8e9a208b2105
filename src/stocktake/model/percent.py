"""What percent-encoded texts stand for, a whole column at once.

The bytes of a column are looked at as one array of numbers: what each `%` begins is worked out everywhere at once and
not escape by escape, so that keys in Chinese, nine bytes for a character, cost hardly more than others.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_to_bytes

import pyarrow as pa
import pyarrow.compute

_compute: Any = pyarrow.compute  # its stubs know too few of the types it takes

_BYTE, _SUM, _OFFSET = pa.uint8(), pa.uint16(), pa.int32()
_PERCENT, _PLUS, _SPACE = (pa.scalar(ord(sign), _BYTE) for sign in "%+ ")
_ONE, _TWO = pa.scalar(1, _OFFSET), pa.scalar(2, _OFFSET)
_DIGITS = {ord(digit): int(digit, 16) for digit in "0123456789abcdefABCDEF"}
_NONE = 256
# What each byte is worth as the first and as the second digit behind a `%`; what is none makes the sum too large.
_FIRST = pa.array([_DIGITS[byte] << 4 if byte in _DIGITS else _NONE for byte in range(256)], _SUM)
_SECOND = pa.array([_DIGITS.get(byte, _NONE) for byte in range(256)], _SUM)


def percent_decoded(texts: pa.StringArray) -> pa.StringArray:
    """`keys.decode_csv_key` for a whole column of texts without nulls: `%E8` is a byte, `+` a space, and a `%` that
    begins no escape stands for itself.

    Raises:
        pa.ArrowInvalid: that is no UTF-8.
    """
    starts, signs = _parts(texts)
    signs = _compute.if_else(_compute.equal(signs, _PLUS), _SPACE, signs)
    percents = _compute.equal(signs, _PERCENT)
    values = _values(starts, signs, percents)
    if values is None:
        spaced = _texts(starts, signs).to_pylist()
        return pa.array([unquote_to_bytes(text) for text in spaced], pa.binary()).cast(pa.string())
    digits = _compute.or_(_behind(percents, 1), _behind(percents, 2))
    kept = _compute.replace_with_mask(signs, percents, values).filter(_compute.invert(digits))
    escapes = _compute.cumulative_sum(_compute.count_substring(texts, "%"))
    gone = pa.concat_arrays([pa.array([0], _OFFSET), _compute.multiply(escapes, _TWO)])
    return _texts(_compute.subtract(starts, gone), kept)


def _parts(texts: pa.StringArray) -> tuple[pa.Int32Array, pa.UInt8Array]:
    """Where each text starts, and the last one ends, in the bytes of all of them, and these."""
    _, bounds, data = texts.buffers()
    offsets = pa.Array.from_buffers(_OFFSET, len(texts) + 1, [None, bounds], offset=texts.offset)
    first, last = offsets[0].as_py(), offsets[-1].as_py()
    signs = pa.Array.from_buffers(_BYTE, last - first, [None, data], offset=first)
    return (_compute.subtract(offsets, offsets[0]) if first else offsets), signs


def _texts(starts: pa.Int32Array, signs: pa.UInt8Array) -> pa.StringArray:
    """The opposite of `_parts`.

    Raises:
        pa.ArrowInvalid: no UTF-8.
    """
    buffers = [None, starts.buffers()[1], signs.buffers()[1][signs.offset :]]
    made = pa.Array.from_buffers(pa.binary(), len(starts) - 1, buffers, offset=starts.offset)
    return made.cast(pa.string())


def _values(
    starts: pa.Int32Array, signs: pa.UInt8Array, percents: pa.BooleanArray
) -> pa.UInt8Array | None:
    """The bytes that the escapes stand for, in order; None where some `%` has no two digits behind it in its text."""
    for distance in (_ONE, _TWO):
        near = _compute.subtract(starts[1:], distance)
        near = near.filter(_compute.greater_equal(near, 0))
        if _compute.any(percents.take(near)).as_py():
            return None
    places = _compute.indices_nonzero(percents).cast(_OFFSET)
    first = _FIRST.take(signs.take(_compute.add(places, _ONE)))
    second = _SECOND.take(signs.take(_compute.add(places, _TWO)))
    sums = _compute.add(first, second)
    if len(sums) and _compute.max(sums).as_py() >= _NONE:
        return None
    return sums.cast(_BYTE)


def _behind(marks: pa.BooleanArray, distance: int) -> pa.BooleanArray:
    """The marks, each so many places later."""
    first = pa.array([False] * min(distance, len(marks)), pa.bool_())
    return pa.concat_arrays([first, marks[: len(marks) - distance]])
