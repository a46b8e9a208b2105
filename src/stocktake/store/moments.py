"""The three ways stores write a moment, as UTC milliseconds; what is finer is cut off, as AWS's reports cut it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.model.fields import MOMENT, NUMBER, TEXT

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DAY_MS = 86_400_000
_MONTHS = {
    "Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6,
    "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12,
}  # fmt: skip
_CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9] GMT")
_HTTP_DATE = re.compile(rf"[A-Z][a-z]{{2}}, [0-9]{{2}} [A-Z][a-z]{{2}} [0-9]{{4}} {_CLOCK.pattern}")
_HTTP_DATE_LENGTH = len("Fri, 23 Dec 2012 00:00:00 GMT")
_CLOCK_AT = len("Fri, 23 Dec 2012 ")
# Python knows no year 0, Arrow does.
_PLAIN_ISO = r"^(?:[1-9][0-9]{3}|0[0-9]{2}[1-9])-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{3})?Z$"
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


def any_moment(text: str) -> int | None:
    """Milliseconds since 1970 of an ISO 8601 text or an HTTP date, or None where it is neither."""
    moment = iso_moment(text) if text[:1].isdigit() else None
    return http_moment(text) if moment is None else moment


def plain_http_moments(texts: pa.StringArray) -> pa.Array | None:
    """What `http_moment` says of each text, as MOMENT, or None where one is not as HTTP wants its dates. No nulls.

    The days are looked up by `http_moment`; what is left of each text is a clock.
    """
    if not pc.all(pc.equal(pc.binary_length(texts), _HTTP_DATE_LENGTH)).as_py():
        return None
    if not pc.all(pc.ends_with(texts, " GMT")).as_py():
        return None
    whole = texts.cast(pa.binary())
    days = pc.binary_slice(whole, 0, _CLOCK_AT).dictionary_encode()
    known = [_plain_day(day) for day in days.dictionary.to_pylist()]
    if None in known:
        return None
    clocks = pc.binary_slice(whole, _CLOCK_AT, _CLOCK_AT + len("00:00:00")).cast(TEXT)
    try:
        first_day = pc.binary_join_element_wise("1970-01-01T", clocks, "Z", "").cast(MOMENT)
    except pa.ArrowInvalid:
        return None
    midnights = pa.array(known, NUMBER).take(days.indices)
    return pc.add(midnights, first_day.cast(NUMBER)).cast(MOMENT)


def plain_iso_moments(texts: pa.StringArray) -> pa.Array | None:
    """What `iso_moment` says of each text, as MOMENT, or None where one is not `2012-12-23T00:00:00.000Z`. No nulls."""
    if not pc.all(pc.match_substring_regex(texts, _PLAIN_ISO)).as_py():
        return None
    try:
        return texts.cast(MOMENT)
    except pa.ArrowInvalid:
        return None


@lru_cache(maxsize=_DAYS_MAX)
def _plain_day(date: bytes) -> int | None:
    text = f"{date.decode('latin-1')}00:00:00 GMT"
    return http_moment(text) if _HTTP_DATE.fullmatch(text) is not None else None


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
