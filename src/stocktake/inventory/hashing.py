"""Hashes of many keys at once, the same on every machine and in every run; nothing secret hangs on them.

A key's bytes b are a polynomial in an odd number B, modulo 2**64. All keys of a batch stand behind each other, so the
sums of b * B**place over all of them hold each key's as a difference, times B**start; an odd number can be divided by
there, so the start goes. What comes out is mixed, as low bits of such a sum are poor.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_BASE = 0x9E3779B97F4A7C15
_UINT64 = pa.uint64()
_MODULUS = 2**64
_BYTES_MAX = 2**17  # of the keys that are hashed together: what the tables of powers are made for


def key_hashes(keys: pa.StringArray) -> pa.UInt32Array:
    """A number for each key, none of which may be null.

    Memory: about 50 times 128 KiB, whatever the keys.
    """
    return pc.cast(pa.concat_arrays([_hashes(part) for part in _parts(keys)]), pa.uint32())


def _parts(keys: pa.StringArray) -> list[pa.StringArray]:
    """The keys in slices of at most _BYTES_MAX bytes each."""
    if _length(keys) <= _BYTES_MAX:
        return [keys]
    middle = len(keys) // 2
    return [*_parts(keys[:middle]), *_parts(keys[middle:])]


def _ends(keys: pa.StringArray) -> pa.Int32Array:
    """Where each key begins among the bytes of all, and where the last one ends."""
    return pa.Array.from_buffers(
        pa.int32(), len(keys) + 1, [None, keys.buffers()[1]], offset=keys.offset
    )


def _length(keys: pa.StringArray) -> int:
    ends = _ends(keys)
    return int(ends[-1].as_py() - ends[0].as_py()) if len(keys) else 0


def _hashes(keys: pa.StringArray) -> pa.UInt64Array:
    if not len(keys):
        return pa.array([], _UINT64)
    ends = _ends(keys)
    first, length = ends[0].as_py(), _length(keys)
    powers, inverses = _powers(_BASE), _powers(pow(_BASE, -1, _MODULUS))
    text = pa.Array.from_buffers(pa.uint8(), length, [None, keys.buffers()[2]], offset=first)
    weighed = pc.multiply(pc.cast(text, _UINT64), powers[:length])
    sums = pa.concat_arrays([pa.array([0], _UINT64), pc.cumulative_sum(weighed)])
    places = pc.subtract(ends, first)
    starts = places[:-1]
    found = pc.subtract(sums.take(places[1:]), sums.take(starts))
    return _mixed(pc.multiply(found, inverses.take(starts)))


@cache
def _powers(base: int) -> pa.UInt64Array:
    factors = pa.concat_arrays(
        [pa.array([1], _UINT64), pa.repeat(pa.scalar(base, _UINT64), _BYTES_MAX)]
    )
    return pc.cumulative_prod(factors)


def _mixed(numbers: Any) -> Any:
    """The upper half of each number, once every bit of it hangs on all others (the finalizer of splitmix64)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        numbers = pc.bit_wise_xor(numbers, pc.shift_right(numbers, pa.scalar(shift, _UINT64)))
        numbers = pc.multiply(numbers, pa.scalar(factor, _UINT64))
    return pc.shift_right(numbers, pa.scalar(32, _UINT64))
