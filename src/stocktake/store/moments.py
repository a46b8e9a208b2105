"""The three ways stores write a moment, as UTC milliseconds; what is finer is cut off, as AWS's reports cut it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.model.fields import MOMENT

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DAY_MS = 86_400_000
_MONTHS = {
    "Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6,
    "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12,
}  # fmt: skip
_CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9] GMT")
_HTTP_DATE = re.compile(rf"[A-Z][a-z]{{2}}, [0-9]{{2}} [A-Z][a-z]{{2}} [0-9]{{4}} {_CLOCK.pattern}")
_days: dict[str, int] = {}
_DAYS_MAX = 10_000


def iso_moments(texts: pa.StringArray) -> pa.Array:
    """ISO 8601 texts, nulls kept, as `timestamp(ms, UTC)`; any number of fraction digits, no zone means UTC.

    Raises:
        pa.ArrowInvalid: one of them is no such text; which one, `iso_moment` tells.
    """
    try:
        return texts.cast(MOMENT)
    except pa.ArrowInvalid:
        cut = pc.replace_substring_regex(texts, r"(\.[0-9]{3})[0-9]+", r"\1")
        return pc.replace_substring_regex(cut, r"(:[0-9]{2}(?:\.[0-9]+)?)$", r"\1Z").cast(MOMENT)


def iso_moment(text: str) -> int | None:
    """Milliseconds since 1970 of one ISO 8601 text, or None where it is none."""
    try:
        return _milliseconds(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def http_moment(text: str) -> int | None:
    """Milliseconds since 1970 of an HTTP date (`Fri, 23 Dec 2012 00:00:00 GMT`), or None where it is none."""
    # Objects of one day follow each other, so the day is looked up.
    day, clock = _days.get(text[:17]), text[17:]
    if day is None and _HTTP_DATE.fullmatch(text) is not None:
        day = _remember(text[:17])
    if day is not None and _CLOCK.fullmatch(clock) is not None:
        return day + (int(clock[:2]) * 3600 + int(clock[3:5]) * 60 + int(clock[6:8])) * 1000
    try:
        return _milliseconds(parsedate_to_datetime(text))
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _remember(date: str) -> int | None:
    """The day `Fri, 23 Dec 2012 ` as milliseconds since 1970, kept for the next object of that day."""
    if len(_days) >= _DAYS_MAX:
        _days.clear()
    try:
        day = datetime(int(date[12:16]), _MONTHS[date[8:11]], int(date[5:7]), tzinfo=UTC)
    except (ValueError, KeyError):
        return None
    return _days.setdefault(date, (day - _EPOCH).days * _DAY_MS)


def iso_text(milliseconds: int) -> str:
    """A moment as S3 prints it: `2012-12-23T00:00:00.000Z`."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _milliseconds(moment: datetime) -> int:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MILLISECOND
