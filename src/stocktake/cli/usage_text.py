"""What `usage` prints: a tree or a table for people, and CSV. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import TYPE_CHECKING

from stocktake.cli.outcome import on_one_line, visible
from stocktake.cli.words import bytes_text, count, counted, money_amount, share_text
from stocktake.service.commands.usage import Kind, kind_of

if TYPE_CHECKING:
    from stocktake.service.commands.usage import Expected, Figures, Forecast, Growth, Line, Usage

_LABEL_WIDTH = 12
NOT_TOLD = "-"
_BAR_WIDTH = 10
_NAMES = {Kind.OTHERS: "(others)", Kind.UNKNOWN: "(not known)"}
_EMPTY = "(none)"  # such as the extension of a name without a dot


def usage_lines(usage: Usage, limit: int) -> list[str]:
    """The report, its usage as a tree with a line for each folder and value, at most `limit` of them in each folder,
    then what cannot be told, and growth.
    """
    facts = {
        "report": usage.address,
        "of": f"s3://{usage.source_bucket}, {usage.created:%Y-%m-%d %H:%M} UTC",
        "prices": usage.prices.name,
    }
    lines = [f"{name:<{_LABEL_WIDTH}}{visible(value)}" for name, value in facts.items()]
    lines += [f"warning: {visible(warning)}" for warning in usage.warnings]
    lines += ["", _header(usage)]
    lines += _rows(usage, limit)
    lines += [f"cannot tell  {visible(text)}" for text in usage.untold]
    if usage.growth is not None:
        lines += ["", *growth_lines(usage.growth, usage.prices.currency)]
    return lines


def _rows(usage: Usage, limit: int) -> Iterator[str]:
    """The printed tree."""
    values: dict[str, list[Line]] = {}
    folders: dict[str, list[Line]] = {}
    for line in usage.lines[1:]:
        if line.kind is Kind.FOLDER:
            folders.setdefault(above(line.prefix), []).append(line)
        else:
            values.setdefault(line.prefix, []).append(line)

    def below(line: Line) -> Iterator[str]:
        yield _row(usage, line, line.depth)
        own, inner = values.get(line.prefix, []), folders.get(line.prefix, [])
        yield from (_row(usage, each, line.depth + 1) for each in own[:limit])
        yield from _more(len(own) - limit, "value", line.depth + 1)
        for each in inner[:limit]:
            yield from below(each)
        yield from _more(len(inner) - limit, "folder", line.depth + 1)

    return below(usage.lines[0])


def _more(number: int, what: str, level: int) -> Iterator[str]:
    if number > 0:
        yield f"{'':{_LABEL_WIDTH}}{'  ' * level}and {counted(number, f'more {what}')}, see --limit"


def above(prefix: str) -> str:
    """The folder that holds this one."""
    folder, slash, _ = prefix[:-1].rpartition("/")
    return folder + slash


def _header(usage: Usage) -> str:
    grown = f"{'growth':>13}" if usage.growth is not None else ""
    markers = f"{'markers':>10}" if usage.total.delete_markers else ""
    return (
        f"{'bytes':>13}{grown} {'share':>8} {'':<{_BAR_WIDTH}}{'objects':>14}{'mean':>12}"
        f"  {'oldest':<10}  {'newest':<10}"
        f"{'noncurrent':>12}{markers}{usage.prices.currency + ' a month':>16}  {'of'}"
    )


def _row(usage: Usage, line: Line, level: int) -> str:
    told = line.figures
    share = share_of(told, usage.total)
    grown = f"{grown_text(line, usage):>13}" if usage.growth is not None else ""
    markers = f"{count(told.delete_markers or 0):>10}" if usage.total.delete_markers else ""
    folded = f"  (+{counted(line.folded, 'folder')} not kept apart)" if line.folded else ""
    return (
        f"{size_text(told.bytes):>13}{grown} {share_text(share):>8} {bar(share)}{count(told.objects):>14}"
        f"{size_text(told.mean):>12}  {day(told.oldest):<10}  {day(told.newest):<10}"
        f"{NOT_TOLD if told.noncurrent_share is None else share_text(told.noncurrent_share):>12}{markers}"
        f"{money_text(told):>16}  {'  ' * level}{on_one_line(line_name(usage, line))}{folded}"
    )


def line_name(usage: Usage, line: Line) -> str:
    """What a line is called below its folder."""
    if line.kind is Kind.FOLDER:
        name: str = line.prefix[len(above(line.prefix)) :]
        return name or f"s3://{usage.source_bucket}"
    return _NAMES.get(line.kind, line.value) or _EMPTY


def value_name(value: str | None) -> str:
    """What a value of a folder is called; None is not known."""
    return on_one_line(_NAMES.get(kind_of(value), value or "") or _EMPTY)


def share_of(told: Figures, total: Figures) -> float:
    """Its share of all bytes, or of all objects where there are no sizes."""
    part, whole = (told.objects, total.objects) if told.bytes is None else (told.bytes, total.bytes)
    return part / whole if whole else 0.0


def bar(share: float) -> str:
    """A share as a bar of ten characters."""
    return ("#" * round(share * _BAR_WIDTH)).ljust(_BAR_WIDTH)


def size_text(number: float | None) -> str:
    """Bytes as people read them."""
    return NOT_TOLD if number is None else bytes_text(round(number))


def money_text(told: Figures) -> str:
    """What it costs a month."""
    return NOT_TOLD if told.money is None else money_amount(told.money)


def day(moment: datetime | None) -> str:
    """A moment's day."""
    return NOT_TOLD if moment is None else f"{moment:%Y-%m-%d}"


def grown_text(line: Line, usage: Usage) -> str:
    """How much it has grown since the oldest report."""
    if line.growth is None:
        return NOT_TOLD
    sign = "-" if line.growth < 0 else "+"
    amount = abs(line.growth)
    return sign + (count(amount) if usage.total.bytes is None else bytes_text(amount))


def growth_lines(growth: Growth, currency: str) -> list[str]:
    """The reports one by one, and what they let expect."""
    lines = [f"{'dt':<18}{'objects':>14}{'bytes':>13}{currency + ' a month':>16}"]
    for point in growth.points:
        money = NOT_TOLD if point.money is None else money_amount(point.money)
        lines.append(
            f"{point.dt:<18}{count(point.objects):>14}{size_text(point.bytes):>13}{money:>16}"
        )
    if growth.why_not:
        return [*lines, f"no forecast: {growth.why_not}"]
    lines.append("")
    for each in growth.forecasts:
        lines.append(pace_text(each, currency))
        lines += [f"  {expected_text(each, ahead, currency)}" for ahead in each.expected]
    return [*lines, f"method: {growth.method}"]


def pace_text(forecast: Forecast, currency: str) -> str:
    """How it grows, or falls, day by day."""
    verb = "grow" if forecast.per_day >= 0 else "fall"
    one = "s" if forecast.what == "money" else ""
    pace = amount_text(forecast, abs(forecast.per_day), currency)
    return f"{forecast.what} {verb}{one} by {pace} a day"


def expected_text(forecast: Forecast, expected: Expected, currency: str) -> str:
    """What is expected, with its range."""
    value, low, high = (
        amount_text(forecast, each, currency)
        for each in (expected.value, expected.low, expected.high)
    )
    return f"in {expected.days} days: {value} ({low} to {high})"


def amount_text(forecast: Forecast, amount: float, currency: str) -> str:
    """An amount of what is forecast."""
    if forecast.what == "money":
        return f"{amount:,.2f} {currency} a month"
    sign = "-" if amount < 0 else ""
    whole = abs(round(amount))
    return sign + (bytes_text(whole) if forecast.what == "bytes" else count(whole))


def csv_text(usage: Usage) -> str:
    """A line for each folder and value below a header, without a newline at the end; what cannot be told is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [each.name for each in fields(usage.total)]
    writer.writerow(("prefix", "kind", "value", *names, "currency", "folded", "growth"))
    for line in usage.lines:
        told = asdict(line.figures)
        values: Sequence[object] = [
            each.isoformat() if isinstance(each, datetime) else each for each in told.values()
        ]
        writer.writerow(
            (
                line.prefix,
                line.kind,
                line.value,
                *values,
                usage.prices.currency,
                line.folded,
                line.growth,
            )
        )
    return text.getvalue().rstrip("\n")
