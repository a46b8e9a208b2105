"""What a run will ask, take, write and cost, as far as it can be told before; and afterwards, how true that was.

Every figure says what it rests on and how sure it is. A figure that is made of others is no surer than the least sure
of them. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from stocktake.model.figures import Comparison, Figure, Sureness, least_sure
from stocktake.model.prices import GB, Prices
from stocktake.model.runs import Call, Limits

# A little more than one request for each full page: ranges end in pages that are not full.
REQUESTS_PER_PAGE = 1.03
# Where there is more than a page, a few places are listed a second time.
SECOND_LOOKS = 4
# CPU time of an object from LIST's bytes to a data file, and of one answer about an object, in seconds: rounded up from
# what was measured.
CPU_S_PER_ROW = 5e-6
CPU_S_PER_CALL = 60e-6
START_S = 2.0  # until the processes are up, and until the report is published
# Requests about the two buckets, beside uploads; and the small files of a report, of which each is one upload.
CONTROL_REQUESTS, SMALL_FILES = 3, 4
# Larger files are uploaded in parts of so many bytes, with a request before and one behind them.
UPLOAD_BYTES_MAX, PART_BYTES = 64 * 2**20, 16 * 2**20

NOTHING = Figure(0, "not asked for", Sureness.KNOWN)


@dataclass(frozen=True, slots=True)
class Answers:
    """About how many `objects` a report of a run that took answers over has answers, or was to have them. Its run
    `asked` about so many, of which `fresh` had none before. `tried` were asked about in vain, and `late` put off, so
    that they are asked about next. `days` has how many answers are of each day.
    """

    objects: int
    asked: int
    fresh: int
    tried: int
    late: int
    days: Mapping[date, int]

    def too_old(self, oldest: date) -> int:
        """How many answers are of `oldest` or of a day before."""
        return sum(count for day, count in self.days.items() if day <= oldest)


@dataclass(frozen=True, slots=True)
class LastReport:
    """What the newest report of the same configuration says of its run. `alike` is whether that run had the same
    fields and format and took over as much, so that its calls, its time and its bytes can be expected again.
    `answers` are those that the report has.
    """

    address: str
    rows: int
    seconds: float
    requests: Mapping[str, int]
    report_bytes: int
    files: int
    alike: bool
    answers: Answers | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run does: the calls about each object, its limits, how many requests it has in flight at most, and
    whether the report goes to a bucket. `calls` has the share of objects that a call is made for, from 0 to 1.
    """

    calls: Mapping[Call, Figure]
    limits: Limits
    in_flight: int
    to_bucket: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """What asking the store showed. Seconds of one answer by call, a call that was not tried left out; bytes that
    arrive for one answer, likewise; bytes of the report for one object.
    """

    seconds: Mapping[Call, float]
    answer_bytes: Mapping[Call, float]
    row_bytes: Figure
    requests: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is expected of a run. `money` is what it costs once; `storage` what keeping the report costs a month."""

    objects: Figure
    requests: Mapping[Call, Figure]
    seconds: Figure
    report_bytes: Figure
    report_files: Figure
    received_bytes: Figure
    money: Mapping[str, Figure]
    storage: Figure
    prices: Prices
    asked: int = 0  # requests that were sent to find this out
    notes: tuple[str, ...] = field(default=())

    @property
    def total(self) -> Figure:
        """All the money that the run costs once."""
        return _sum(self.money.values(), self.prices.name)

    def to_json(self) -> dict[str, Any]:
        """The same as JSON takes it."""
        return {
            "objects": self.objects.to_json(),
            "requests": {str(call): figure.to_json() for call, figure in self.requests.items()},
            "seconds": self.seconds.to_json(),
            "report_bytes": self.report_bytes.to_json(),
            "report_files": self.report_files.to_json(),
            "received_bytes": self.received_bytes.to_json(),
            "money": {
                "currency": self.prices.currency,
                "prices": self.prices.model_dump(mode="json"),
                "once": {name: figure.to_json() for name, figure in self.money.items()},
                "total": self.total.to_json(),
                "storage_per_month": self.storage.to_json(),
            },
            "probe_requests": self.asked,
            "notes": list(self.notes),
        }


def estimate(
    objects: Figure,
    asked: Asked,
    measured: Measured,
    *,
    prices: Prices,
    last: LastReport | None = None,
    notes: tuple[str, ...] = (),
) -> Estimate:
    """What a run over so many objects will come to."""
    report_bytes = _product(objects, measured.row_bytes)
    files = max(1, -(-round(objects.value) // asked.limits.file_rows_max)) if objects.value else 0
    report_files = Figure(files, "a file for each million rows", objects.sureness)
    requests = _requests(objects, asked, report_bytes, files, last)
    received = Figure(
        sum(n.value * measured.answer_bytes.get(call, 0.0) for call, n in requests.items()),
        "the size of the answers to the requests before",
        least_sure([*(n.sureness for n in requests.values()), Sureness.LIKELY]),
    )
    money = {
        str(call): Figure(prices.of(call, n.value), prices.name, n.sureness)
        for call, n in requests.items()
    }
    if prices.transfer_per_gb:
        money["transfer"] = Figure(
            received.value / GB * prices.transfer_per_gb, prices.name, received.sureness
        )
    stored = report_bytes.value / GB * prices.storage_per_gb_month if asked.to_bucket else 0.0
    return Estimate(
        objects=objects,
        requests=requests,
        seconds=_seconds(requests, objects, asked, measured, last),
        report_bytes=report_bytes,
        report_files=report_files,
        received_bytes=received,
        money=money,
        storage=Figure(stored, prices.name, report_bytes.sureness),
        prices=prices,
        asked=measured.requests,
        notes=notes,
    )


def _requests(
    objects: Figure, asked: Asked, report_bytes: Figure, files: int, last: LastReport | None
) -> dict[Call, Figure]:
    requests = {Call.LIST: _lists(objects, asked.limits.page_rows_max, last)}
    for call, share in asked.calls.items():
        requests[call] = Figure(
            round(objects.value * share.value),
            share.rests_on,
            least_sure([objects.sureness, share.sureness]),
        )
    file_bytes = round(report_bytes.value / max(files, 1))
    parts = 1 if file_bytes <= UPLOAD_BYTES_MAX else 2 - (-file_bytes // PART_BYTES)
    control = CONTROL_REQUESTS + files * parts + SMALL_FILES if asked.to_bucket else 0
    requests[Call.CONTROL] = Figure(
        control,
        "uploads, and questions about the buckets",
        least_sure([report_bytes.sureness, Sureness.LIKELY]),
    )
    return requests


def _lists(objects: Figure, page_rows: int, last: LastReport | None) -> Figure:
    pages = -(-round(objects.value) // page_rows)
    if round(objects.value) == page_rows:
        return Figure(2, "all of it is one page, and full: one look behind it", objects.sureness)
    if pages <= 1:
        return Figure(1, "all of it is one page", objects.sureness)
    sureness = least_sure([objects.sureness, Sureness.LIKELY])
    if last is not None and last.alike and last.requests.get(Call.LIST):
        again = last.requests[Call.LIST] * objects.value / last.rows
        return Figure(max(pages, round(again)), "as often as last time", sureness)
    why = f"one for each {page_rows:,} objects, 3 % more, and a second look at a few places"
    return Figure(round(pages * REQUESTS_PER_PAGE) + SECOND_LOOKS, why, sureness)


def _seconds(
    requests: Mapping[Call, Figure],
    objects: Figure,
    asked: Asked,
    measured: Measured,
    last: LastReport | None,
) -> Figure:
    if last is not None and last.alike and last.rows:
        before = sum(last.requests.get(call, 0) for call in requests if call is not Call.CONTROL)
        now = sum(n.value for call, n in requests.items() if call is not Call.CONTROL)
        return Figure(
            last.seconds * now / before if before else last.seconds * objects.value / last.rows,
            f"the last run took {last.seconds:,.1f} s for {last.rows:,} rows",
            least_sure([objects.sureness, Sureness.LIKELY]),
        )
    limits = asked.limits
    counted = {call: n.value for call, n in requests.items() if call is not Call.CONTROL}
    sent = sum(counted.values())
    waited_s = sum(n * measured.seconds.get(call, 0.0) for call, n in counted.items())
    bounds = {
        f"answers as quick as now, {asked.in_flight} in flight": waited_s
        / max(1, min(asked.in_flight, sent)),
        f"the CPU time of {limits.processes} processes": (
            objects.value * CPU_S_PER_ROW + (sent - counted[Call.LIST]) * CPU_S_PER_CALL
        )
        / limits.processes,
    }
    if limits.rate is not None:
        bounds[f"the rate of {limits.rate:g} requests a second"] = sent / limits.rate
    slowest = max(bounds, key=lambda name: bounds[name])
    return Figure(
        START_S + bounds[slowest], slowest, least_sure([objects.sureness, Sureness.ROUGH])
    )


def _product(count: Figure, each: Figure) -> Figure:
    return Figure(
        count.value * each.value, each.rests_on, least_sure([count.sureness, each.sureness])
    )


def _sum(figures: Iterable[Figure], rests_on: str) -> Figure:
    listed = [figure for figure in figures if figure.value]
    return Figure(
        sum(figure.value for figure in listed),
        rests_on,
        least_sure(figure.sureness for figure in listed),
    )


def compare(
    plan: Estimate, counters: Mapping[str, int], *, seconds: float, report_bytes: int
) -> tuple[Comparison, ...]:
    """The plan beside the truth: what a finished run counted, how long it took, and the bytes of its data files."""
    calls = [*plan.requests, *(call for call in Call if call not in plan.requests)]
    sent = {call: counters.get(f"requests.{call}", 0) for call in calls}
    rows = [Comparison("rows", plan.objects, counters.get("rows", 0))]
    rows += [
        Comparison(f"{call} requests", plan.requests.get(call, NOTHING), sent[call])
        for call in calls
        if sent[call] or plan.requests.get(call, NOTHING).value
    ]
    rows.append(Comparison("seconds", plan.seconds, seconds))
    rows.append(Comparison("report bytes", plan.report_bytes, report_bytes))
    spent = sum(plan.prices.of(call, count) for call, count in sent.items())
    planned = _sum(
        (figure for name, figure in plan.money.items() if name != "transfer"), plan.prices.name
    )
    if spent or planned.value:
        rows.append(Comparison(f"{plan.prices.currency} for requests", planned, spent))
    return tuple(rows)
