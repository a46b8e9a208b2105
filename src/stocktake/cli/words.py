"""Figures in words that people read at a glance. Pure."""

from __future__ import annotations

from collections.abc import Mapping

_STEP = 1024
_SHARE_SHOWN_MIN = 0.001
MONEY_SHOWN_MIN = 0.01
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def count(number: int) -> str:
    """A number with its thousands apart: `1,234,567`."""
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """A number of things: `1 file`, `2 files`."""
    return f"{count(number)} {noun if number == 1 else f'{noun}s'}"


def bytes_text(number: int) -> str:
    """Bytes in the largest binary unit that leaves at least one: `1.2 GiB`."""
    amount, unit = float(number), 0
    while amount >= _STEP and unit < len(_UNITS) - 1:
        amount, unit = amount / _STEP, unit + 1
    return f"{number} bytes" if unit == 0 else f"{amount:,.1f} {_UNITS[unit]}"


def share_text(part: float) -> str:
    """A part of one as a percentage: `12.3 %`; what is there but hardly is `under 0.1 %`."""
    if 0 < part < _SHARE_SHOWN_MIN:
        return f"under {_SHARE_SHOWN_MIN * 100:.1f} %"
    return f"{part * 100:.1f} %"


def money_amount(money: float) -> str:
    """An amount of money to two places; what is there but hardly is `under 0.01`."""
    return f"under {MONEY_SHOWN_MIN}" if 0 < money < MONEY_SHOWN_MIN else f"{money:,.2f}"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds: `0:01:05`."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def tally(counts: Mapping[str, int]) -> str:
    """Counts by name, in their order: `list 12, head 1,234`; empty for none."""
    return ", ".join(f"{name} {count(number)}" for name, number in counts.items())
