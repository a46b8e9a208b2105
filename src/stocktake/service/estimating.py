"""What a run would ask, take, write and cost: from its options, the last report, and a few requests that only read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from stocktake.inventory.calls import CallPlan, call_plan
from stocktake.model.addresses import LocalAddress
from stocktake.model.estimate import (
    START_S,
    Answers,
    Asked,
    Estimate,
    LastReport,
    Measured,
    estimate,
)
from stocktake.model.fields import Source
from stocktake.model.figures import Figure, Sureness, least_sure
from stocktake.model.prices import AWS, FREE, Prices
from stocktake.model.remembering import remembered_fields
from stocktake.model.runs import NEWEST, Call, Counters, InventoryRun, Problem, Remembering
from stocktake.model.sidecar import Sidecar
from stocktake.service.previous import Previous, find_previous
from stocktake.service.probing import PROBE_LIMITS
from stocktake.service.remembering import choose_memory
from stocktake.service.sampling import Sample, row_bytes, take_sample
from stocktake.store.connection import Connection
from stocktake.store.counting import count_keys
from stocktake.store.pacing import NICE_IN_FLIGHT_MAX
from stocktake.store.probe_pages import Asking
from stocktake.store.transport import Transport

NAMES_SHOWN_MAX = 3
# Rows of the last report that were asked about in vain.
_TRIED = (Problem.REFUSED, Problem.FAILED)
CHANGED_GUESSED = 0.01  # of objects, from one run to the next; what it is, the second run tells
_AWS = ".amazonaws.com"
_PLAIN_CLASSES = {"STANDARD", "INTELLIGENT_TIERING", "REDUCED_REDUNDANCY"}


@dataclass(frozen=True, slots=True)
class Found:
    """The last report of a configuration, or why there is none to go by."""

    last: LastReport | None
    note: str = ""


def estimate_run(
    run: InventoryRun, *, prices: Prices = AWS, objects: int | None = None
) -> Estimate:
    """What `run` will come to. `objects` is how many there are, where somebody knows.

    Raises:
        StoreError: the source cannot be listed.
    """
    run, why = choose_memory(run)
    found = find_last_report(run)
    found = replace(found, note="; ".join(filter(None, (found.note, why))))
    connection = Connection.open(run.source, region=run.region)
    with Transport(connection, PROBE_LIMITS, Counters()) as transport:
        asking = Asking(
            transport,
            run.bucket,
            run.configuration.prefix,
            request_payer=run.source.request_payer,
        )
        sample = take_sample(run, asking)
        count = _objects(objects, found.last, asking, sample, run)
    return _estimated(run, found, sample, count, prices, requests=asking.requests)


def expect_again(run: InventoryRun, previous: Previous) -> Estimate | None:
    """What `run` will come to if it is as the report before it says; None where that is no report like it. No store is
    asked. Money is counted only where it is AWS that takes it.
    """
    found = _last(run, previous)
    prices = AWS if previous.sidecar and _AWS in previous.sidecar.endpoint else FREE
    if found.last is None or not found.last.alike:
        return None
    count = _count_of(found.last)
    return _estimated(run, found, Sample(), count, prices, requests=0)


def find_last_report(run: InventoryRun) -> Found:
    """What the newest report at the run's destination says, where it is about the same keys of the same store."""
    return _last(run, find_previous(run))


def _last(run: InventoryRun, previous: Previous) -> Found:
    sidecar, address = previous.sidecar, previous.address
    if sidecar is None:
        return Found(None, previous.note)
    before, now = sidecar.configuration, run.configuration
    if (before.prefix, before.all_versions) != (now.prefix, now.all_versions):
        return Found(None, f"{address} is about other keys or versions")
    alike = (
        set(before.optional_fields or ()) == set(now.optional_fields or ())
        and set(sidecar.extension_fields) == set(run.extension_fields)
        and before.delivery.format is now.delivery.format
        and _asked_alike(sidecar, run.remembering)
    )
    return Found(
        LastReport(
            address=address,
            rows=sidecar.rows,
            seconds=(sidecar.finished - sidecar.started).total_seconds(),
            requests=sidecar.requests,
            report_bytes=sum(file.size for file in sidecar.files),
            files=len(sidecar.files),
            alike=alike,
            answers=_answers(sidecar),
        )
    )


def _answers(sidecar: Sidecar) -> Answers | None:
    said = sidecar.remembered
    if said is None:
        return None
    late = sidecar.problems.get(Problem.POSTPONED, 0)
    return Answers(
        # Of those that were put off, some are among the others, too.
        objects=min(sidecar.rows, said.reused + said.fresh + said.revisited + late),
        asked=said.fresh + said.revisited,
        fresh=said.fresh,
        tried=sum(sidecar.problems.get(kind, 0) for kind in _TRIED),
        late=late,
        days=said.days,
    )


def _asked_alike(sidecar: Sidecar, now: Remembering) -> bool:
    """Whether the run that made the report took answers over where this one will, and asked for the same share again
    within the same bounds.
    """
    before = sidecar.remembered
    if before is None:
        return not now.bounded and now.report in (None, NEWEST)
    takes_over = now.report not in (None, NEWEST)
    if (before.report is not None) is not takes_over:
        return False
    bounds = (before.budget, before.deadline_s) == (now.budget, now.deadline_s)
    again = (before.revisit, before.days_max) == (now.revisit, now.days_max)
    return bounds and (again or not takes_over)


def _objects(
    told: int | None, last: LastReport | None, asking: Asking, sample: Sample, run: InventoryRun
) -> Figure:
    if told is not None:
        return Figure(told, "as --objects says", Sureness.KNOWN)
    page = sample.page
    assert page is not None  # it was asked for
    if last is not None and page.page.truncated:
        return _count_of(last)
    return count_keys(asking, page, versions=run.configuration.all_versions)


def _count_of(last: LastReport) -> Figure:
    return Figure(last.rows, f"the rows of {last.address}", Sureness.LIKELY)


def _estimated(
    run: InventoryRun,
    found: Found,
    sample: Sample,
    count: Figure,
    prices: Prices,
    *,
    requests: int,
) -> Estimate:
    last = found.last if found.last is not None and found.last.alike and found.last.rows else None
    limits, plan = run.limits, call_plan(run.fields)
    calls = _calls(run, plan, sample, last)
    asked = Asked(
        calls=_with_memory(run, calls, count, found.last),
        limits=limits,
        in_flight=min(
            limits.concurrency, NICE_IN_FLIGHT_MAX if limits.nice else limits.concurrency
        ),
        to_bucket=not isinstance(run.address, LocalAddress),
    )
    each = (
        Figure(last.report_bytes / last.rows, f"the files of {last.address}", Sureness.LIKELY)
        if last is not None
        else row_bytes(run, sample)
    )
    measured = Measured(sample.seconds, sample.answer_bytes, each, requests)
    notes = (found.note, _without_memory(run, calls, count), _dear_classes(sample, asked, prices))
    estimated = partial(
        estimate,
        count,
        measured=measured,
        prices=prices,
        last=last,
        notes=tuple(filter(None, notes)),
    )
    return estimated(asked=_in_time(run, asked, estimated(asked=asked).seconds.value))


def _in_time(run: InventoryRun, asked: Asked, seconds: float) -> Asked:
    """`asked`, which would take so many seconds, as far as the run may ask for so long."""
    deadline_s = run.remembering.deadline_s
    if deadline_s is None or seconds <= START_S + deadline_s:
        return asked
    calls = {
        call: Figure(
            figure.value * deadline_s / (seconds - START_S),
            f"{figure.rests_on}, as far as --deadline goes",
            least_sure([figure.sureness, Sureness.ROUGH]),
        )
        for call, figure in asked.calls.items()
    }
    return replace(asked, calls=calls)


# By call: whether a run makes it, and the fields that need it.
_PER_OBJECT = {
    Call.HEAD: (Source.HEAD, Source.HEAD_CHECKSUM),
    Call.ACL: (Source.ACL,),
    Call.TAGGING: (Source.TAGGING,),
}


def _calls(
    run: InventoryRun, plan: CallPlan, sample: Sample, last: LastReport | None
) -> dict[Call, Figure]:
    """The share of rows that each call is made for where every object is asked about."""
    known = None if last is None else last.answers
    asked = last is not None and (known is None or known.asked > 0)
    planned = {Call.HEAD: plan.head, Call.ACL: plan.acl, Call.TAGGING: plan.tagging}
    shares = {}
    for call in (call for call, wanted in planned.items() if wanted):
        what = f"for {_named(run, _PER_OBJECT[call])}"
        if last is not None and asked:
            share = last.requests.get(call, 0) / last.rows
            share *= known.objects / known.asked if known is not None else 1.0
            shares[call] = Figure(share, f"{what}, as often as last time", Sureness.LIKELY)
        elif call is Call.TAGGING and plan.head:
            tagged = f"{what}, only where HeadObject says that there are tags"
            shares[call] = Figure(sample.objects, tagged, Sureness.AT_MOST)
        elif run.configuration.all_versions:
            markers = f"{what}, delete markers left out by their share of the first page"
            shares[call] = Figure(sample.objects, markers, Sureness.ROUGH)
        else:
            shares[call] = Figure(1.0, f"{what}, one for each object", Sureness.KNOWN)
    return shares


def _with_memory(
    run: InventoryRun, calls: Mapping[Call, Figure], count: Figure, before: LastReport | None
) -> dict[Call, Figure]:
    """The same where answers are taken over, or only so many objects are asked about."""
    share, why, sureness = 1.0, "", Sureness.KNOWN
    if run.remembering.report is not None:
        share, why, sureness = _share_asked(run, before)
    budget = run.remembering.budget
    objects = count.value * _objects_of_rows(before)
    if budget is not None and objects and budget / objects < share:
        share, why = budget / objects, ", as far as --head-budget goes"
        sureness = Sureness.ROUGH
    return {
        call: Figure(
            figure.value * share,
            f"{figure.rests_on}{why}",
            least_sure([figure.sureness, sureness]),
        )
        for call, figure in calls.items()
    }


def _objects_of_rows(before: LastReport | None) -> float:
    """The share of rows that are objects, not delete markers, as far as the last report tells."""
    if before is None or before.answers is None or not before.rows:
        return 1.0
    return before.answers.objects / before.rows


def _share_asked(run: InventoryRun, before: LastReport | None) -> tuple[float, str, Sureness]:
    """The share of objects that a run asks about although it takes answers over, in words, too: what is new or changed,
    which is guessed where the last run does not tell; what is due again; and what the last run left out.
    """
    asked = run.remembering
    mutable = any(field.mutable for field in remembered_fields(run.fields))
    again = asked.revisit if mutable else 0.0
    new, left, aged, guessed, sureness = CHANGED_GUESSED, 0.0, 0.0, "as a guess", Sureness.ROUGH
    known = before.answers if before is not None and before.address == asked.report else None
    if before is not None and known is not None and known.objects:
        left = (known.tried + known.late) / known.objects
        if mutable and asked.days_max is not None:
            oldest = run.moment.date() - timedelta(days=asked.days_max)
            # What was put off may be too old as well.
            aged = max(0.0, known.too_old(oldest) / known.objects - left)
        if before.alike:
            # What was asked about in vain was so the time before, as a rule.
            new = max(0, known.fresh - known.tried) / known.objects
            guessed, sureness = "as last time", Sureness.LIKELY
    share = min(1.0, new + left + aged + again * max(0.0, 1 - left - aged))
    why = f", of {new:.0%} that are new or changed, {guessed}, and {again:.0%} again"
    why += f", and {left:.0%} that the last run left without an answer" if left else ""
    why += f", and {aged:.0%} whose answers are too old" if aged else ""
    return share, why, sureness


def _without_memory(run: InventoryRun, calls: Mapping[Call, Figure], count: Figure) -> str:
    """What the run would ask if it remembered nothing; empty where it does not."""
    if run.remembering.report is None or not calls:
        return ""
    sent = ", ".join(f"{call} {round(n.value * count.value):,}" for call, n in calls.items())
    return f"without what {run.remembering.report} knows it would be {sent}"


def _named(run: InventoryRun, sources: tuple[Source, ...]) -> str:
    names = [field.name for field in run.fields if field.source in sources]
    more = len(names) - NAMES_SHOWN_MAX
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:-more])} and {more} more fields"


def _dear_classes(sample: Sample, asked: Asked, prices: Prices) -> str:
    """A word on objects whose requests cost more than the table of AWS's standard class says."""
    dear = sample.storage_classes - _PLAIN_CLASSES
    if prices is not AWS or not asked.calls or not dear:
        return ""
    return f"requests about objects of {', '.join(sorted(dear))} may cost more than is counted here"
