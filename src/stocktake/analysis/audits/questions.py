"""Making SQL of audits: what is asked of this report, under this policy, at this moment. Pure.

Whatever an audit asks about becomes one SQL condition without any name to be filled in, so that
`stocktake query` and `stocktake export` find by it exactly what the audit found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from stocktake.analysis.audits.audit import Audit
from stocktake.analysis.audits.pack import BY_NAME
from stocktake.analysis.audits.policy import Policy, PolicyException
from stocktake.analysis.relation import literal
from stocktake.model.fields import BY_NAME as FIELDS
from stocktake.model.fields import TEXT, Field, Source
from stocktake.model.manifest import Manifest
from stocktake.model.paths import SIDECAR
from stocktake.model.prices import GB, Prices
from stocktake.model.runs import Problem
from stocktake.model.sidecar import Sidecar

# AWS delivers within two days of the moment a report is named by, and lists what changes meanwhile.
DELIVERED_WITHIN = timedelta(days=2)
# Two clocks that differ by more do not understand each other's requests: RequestTimeTooSkewed.
SKEW_MAX = timedelta(minutes=15)
# Calls about a single object: they may be refused or fail, and the object's row stays.
CALLS = (Source.HEAD, Source.HEAD_CHECKSUM, Source.ACL, Source.TAGGING)
# Fields of HEAD in which every object has a value, and KMS keys, which every object has that KMS encrypts: where it is
# missing, SQL's NULL says so.
ALWAYS_FILLED = ("EncryptionStatus", "BucketKeyStatus", "KmsKeyArn")
_WITNESS = FIELDS["EncryptionStatus"]
# Texts that a condition reads in braces, for without one nothing is known. AWS's ORC and Parquet have NULL there, as
# CSV has once it is read; others write an empty text, which is no value either.
_TEXTS = tuple(
    FIELDS[name].column
    for name in (
        "EncryptionStatus",
        "BucketKeyStatus",
        "KmsKeyArn",
        "StorageClass",
        "ObjectOwner",
        "ETag",
    )
)
_AS_THEY_ARE = {column: column for column in _TEXTS}
# Problems that leave no value unknown: a row that is all of a newer object, a key's latest version
# (`_VERSION_FIELDS` alone depend on it), and values, which are counted field by field.
_HARMLESS = (Problem.CHANGED, Problem.LATEST, Problem.UNKNOWABLE)
# Problems of calls, whose missing values a run counts field by field.
_MISSING = (Problem.REFUSED, Problem.FAILED, Problem.VANISHED)
_VERSION_FIELDS = ("IsLatest",)

# The access control list as a struct; NULL where it is none. It costs more than all else that is asked of a row.
DECODED_ACL = (
    "TRY(json_transform(decode(from_base64(object_access_control_list)),"
    """ '{"status": "VARCHAR", "grants": [{"uri": "VARCHAR", "canonicalId": "VARCHAR", "type": "VARCHAR"}]}'))"""
)


class Doubt(StrEnum):
    """Why it cannot be told of some objects whether an audit would find them."""

    MISSING = "the report lacks the field"
    NEVER = "nobody could fill in the field"
    EMPTY = "the value is missing, or says that it is not known"
    WITHHELD = "the store may have withheld the value"
    HIDDEN = "encrypted with a customer's key, so that the store told nothing else"
    LATEST = "keys without exactly one latest version"
    DAMAGED = "what counts the values that are not known cannot be read"
    PROBLEM = "the run counted them as"


@dataclass(frozen=True, slots=True)
class Unknown:
    """So many objects of which it cannot be told, for want of `what`: a field, or a kind of problem.

    `rows` None is all that there are. The same objects may be counted for several reasons.
    """

    doubt: Doubt
    what: str
    rows: int | None


@dataclass(frozen=True, slots=True)
class Question:
    """An audit as it is asked of one report.

    `condition` is what it looks for, and `told` finds the same rows without saying which are not known, by conditions
    that engines know from statistics; `excuse` is which rows an exception excuses; empty for none. Where all of `sure`
    are true, conditions on a row, `bare` is true where `condition` is, which is never NULL there; None where that is
    not known.
    `unknown` is what is known beforehand of what it cannot tell. One that is not `answerable` for
    want of fields is not asked, nor is one that is not `wanted`, because nothing is expected.
    Exceptions that have expired excuse nothing any more, and are told.
    """

    audit: Audit
    condition: str
    told: str
    bare: str
    sure: tuple[str, ...] | None
    excuse: str
    money: str
    money_means: str
    unknown: tuple[Unknown, ...]
    answerable: bool
    wanted: bool
    expired: tuple[PolicyException, ...]

    @property
    def where(self) -> str:
        """What is found: what it looks for, without what is excused."""
        if self.excuse:
            return f"({self.told}) AND NOT ({self.excuse})"
        return self.told

    @property
    def asked(self) -> bool:
        """Whether the report's rows are looked at for it."""
        return self.answerable and self.wanted


@dataclass(frozen=True, slots=True)
class Subject:
    """What questions are asked about: a report, by its manifest, its columns and its sidecar."""

    manifest: Manifest
    fields: tuple[Field, ...]
    sidecar: Sidecar | None
    damaged: bool = False  # there is a sidecar, and it cannot be read

    @property
    def names(self) -> set[str]:
        """The names of its fields."""
        return {field.name for field in self.fields}

    @property
    def taken(self) -> datetime:
        """The moment from which on it was taken."""
        return self.sidecar.started if self.sidecar else self.manifest.created

    @property
    def finished(self) -> datetime:
        """The moment at which it was complete at the latest, by the store's clock."""
        if self.sidecar:
            return self.sidecar.finished + SKEW_MAX
        return self.manifest.created + DELIVERED_WITHIN


def make_questions(
    subject: Subject, policy: Policy, prices: Prices, now: datetime
) -> tuple[Question, ...]:
    """The policy's audits as they are asked of `subject`, in the order of the pack."""
    values = _values(subject, policy, prices, now)
    wanted = [audit for name, audit in BY_NAME.items() if name in policy.audits]
    return tuple(_question(audit, subject, policy, values, now) for audit in wanted)


def _question(
    audit: Audit, subject: Subject, policy: Policy, values: dict[str, str], now: datetime
) -> Question:
    concerned = [each for each in policy.exceptions if each.audit == audit.name]
    priced = audit.money and {"Size", "StorageClass"} <= subject.names
    sought, bare = _bare(audit, policy, values), _bare(audit, policy, values | _AS_THEY_ARE)
    # Whoever looks for values that fields must have finds them whether or not an empty text is another one.
    told = bare if audit.certain and not audit.expects else sought
    return Question(
        audit=audit,
        condition=_condition(audit, subject, sought),
        told=_condition(audit, subject, told),
        bare=bare,
        sure=_sure(audit, subject),
        excuse=_below([each.prefix for each in concerned if each.holds(now)]),
        money=audit.money.format_map(values) if priced else "",
        money_means=audit.money_means.format_map(values),
        unknown=tuple(_unknown(audit, subject)),
        answerable=set(audit.needs) <= subject.names and not _never(audit, subject),
        wanted=not audit.expects
        or audit.unless is not None
        or bool(policy.expected(audit.expects)),
        expired=tuple(each for each in concerned if not each.holds(now)),
    )


def _bare(audit: Audit, policy: Policy, values: dict[str, str]) -> str:
    """What an audit looks for in a row that is an object, its texts read as `values` say."""
    condition = audit.where.format_map({**values, "expected": _list(audit.unless or ())})
    return _by_prefix(audit, policy, values, condition) if audit.expects else condition


def _condition(audit: Audit, subject: Subject, sought: str) -> str:
    """What an audit looks for, whatever excuses it: true, false, or NULL where it cannot be told."""
    condition = f"coalesce({sought}, false)" if audit.certain == () else sought
    if _asks_witness(audit, subject):
        # A row without it is one that HEAD told nothing of, so that "none" is not known either; nor is it where
        # HEAD told of a customer's key, and nothing else.
        hidden = subject.sidecar is not None and _hidden(subject.sidecar)
        unknown = "'', 'SSE-C'" if hidden else "''"
        known = f"{_WITNESS.column} NOT IN ({unknown})"
        condition = f"CASE WHEN {known} THEN {condition} END"
    if _spares_markers(audit, subject):
        condition = f"is_delete_marker IS NOT TRUE AND ({condition})"
    return condition


def _sure(audit: Audit, subject: Subject) -> tuple[str, ...] | None:
    """Which rows need not be judged by the whole condition. Of a customer's key all are, be something hidden or not."""
    if audit.certain is None:
        return None
    asked = [_filled(FIELDS[name]) for name in audit.certain]
    if _asks_witness(audit, subject):
        asked += [_filled(_WITNESS), f"{_WITNESS.column} <> 'SSE-C'"]
    if _spares_markers(audit, subject):
        asked.append("is_delete_marker IS NOT TRUE")
    return tuple(asked)


def _filled(field: Field) -> str:
    """In which rows a field has a value; an empty text is none."""
    return f"{field.column} <> ''" if field.type == TEXT else f"{field.column} IS NOT NULL"


def _asks_witness(audit: Audit, subject: Subject) -> bool:
    return _WITNESS.name in subject.names and _silent(audit)


def _spares_markers(audit: Audit, subject: Subject) -> bool:
    return "IsDeleteMarker" in subject.names and not audit.of_markers


def _by_prefix(audit: Audit, policy: Policy, values: Mapping[str, str], otherwise: str) -> str:
    cases = [
        f"WHEN starts_with(key, {literal(prefix)})"
        f" THEN {audit.where.format_map({**values, 'expected': _list(expected)})}"
        for prefix, expected in policy.expected(audit.expects)
    ]
    last = "false" if audit.unless is None else otherwise
    return f"CASE {' '.join(cases)} ELSE {last} END" if cases else last


def _silent(audit: Audit) -> bool:
    """Whether it reads a field of HEAD in which no value means "none", and so may mean "not known"."""
    return any(
        FIELDS[name].source in (Source.HEAD, Source.HEAD_CHECKSUM) and name not in ALWAYS_FILLED
        for name in audit.needs
    )


def _unknown(audit: Audit, subject: Subject) -> Iterable[Unknown]:
    missing = [name for name in audit.needs if name not in subject.names]
    yield from (Unknown(Doubt.MISSING, name, None) for name in missing)
    if subject.damaged and any(FIELDS[name].source in CALLS for name in audit.needs):
        yield Unknown(Doubt.DAMAGED, SIDECAR, None)
    if subject.sidecar is None or missing:
        return
    yield from (Unknown(Doubt.NEVER, name, None) for name in _never(audit, subject))
    problems, withheld = subject.sidecar.problems, subject.sidecar.unknowable
    yield from (
        Unknown(Doubt.WITHHELD, name, withheld[name]) for name in audit.needs if withheld.get(name)
    )
    if (latest := problems.get(Problem.LATEST)) and set(audit.needs) & set(_VERSION_FIELDS):
        yield Unknown(Doubt.LATEST, Problem.LATEST, latest)
    yield from _of_calls(audit, subject.sidecar)
    if _silent(audit) and (hidden := _hidden(subject.sidecar)):
        yield Unknown(Doubt.HIDDEN, "SSE-C", hidden)


def _never(audit: Audit, subject: Subject) -> list[str]:
    never = subject.sidecar.never if subject.sidecar else ()
    return [name for name in audit.needs if name in never]


def _of_calls(audit: Audit, sidecar: Sidecar) -> Iterable[Unknown]:
    """What calls about single objects did not tell, of the fields that the audit reads.

    A report of before `missing` was kept has counted calls alone, and so has every report what was put off: that is in
    doubt for all that any call yields.
    """
    called = [name for name in audit.needs if FIELDS[name].source in CALLS]
    if not called:
        return
    counted = dict(sidecar.problems)
    if sidecar.missing is not None:
        counted |= {kind: _missing(called, kind, sidecar.missing) for kind in _MISSING}
    yield from (
        Unknown(Doubt.PROBLEM, kind, rows)
        for kind, rows in counted.items()
        if kind not in _HARMLESS and rows
    )


def _missing(names: Sequence[str], kind: str, missing: Mapping[str, Mapping[str, int]]) -> int:
    """How many rows lack one of these fields. Those that one call yields are lacking together."""
    of_call: dict[Source, int] = {}
    for name in names:
        source = FIELDS[name].source
        of_call[source] = max(of_call.get(source, 0), missing.get(name, {}).get(kind, 0))
    return sum(of_call.values())


def _hidden(sidecar: Sidecar) -> int:
    """Of how many objects HEAD told SSE-C and nothing else: `unknowable` counts them beside fields."""
    return sidecar.problems.get(Problem.UNKNOWABLE, 0) - sum(sidecar.unknowable.values())


def _values(subject: Subject, policy: Policy, prices: Prices, now: datetime) -> dict[str, str]:
    thresholds = {
        name: _list(value) if isinstance(value, tuple) else str(value)
        for name, value in policy.thresholds.model_dump().items()
    }
    archive = policy.thresholds.archive_class
    return {
        **thresholds,
        **{column: f"nullif({column}, '')" for column in _TEXTS},
        "archive_monitoring": str(prices.monitoring_per_1000_month.get(archive, 0.0)),
        "archive_terms": _terms(prices, archive),
        "now": _moment(now),
        "taken": _moment(subject.taken),
        "finished": _moment(subject.finished),
        "acl": DECODED_ACL,
        "gb": str(GB),
        "price": _price(prices),
        "archive_price": str(prices.of_storage(archive)),
    }


def _terms(prices: Prices, storage_class: str) -> str:
    """What a class costs besides storage, to be said after a sum of money."""
    facts: dict[str, Mapping[str, float]] = {
        f"reading a GB back costs {{:g}} {prices.currency}": prices.retrieval_per_gb,
        "an object is charged for {:,} bytes at least": prices.minimum_bytes,
        "and for {} days at least": prices.minimum_days,
    }
    told = {text: table.get(storage_class) for text, table in facts.items()}
    said = [text.format(value) for text, value in told.items() if value]
    return f"; {', '.join(said)}" if said else ""


def _price(prices: Prices) -> str:
    """What a GB costs a month, by the row's storage class."""
    cases = " ".join(
        f"WHEN {literal(name)} THEN {price}"
        for name, price in prices.storage_class_per_gb_month.items()
    )
    otherwise = prices.storage_per_gb_month
    return f"CASE storage_class {cases} ELSE {otherwise} END" if cases else str(otherwise)


def _moment(moment: datetime) -> str:
    return f"TIMESTAMPTZ '{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}+00'"


def _list(texts: Sequence[str]) -> str:
    return ", ".join(map(literal, texts))


def _below(prefixes: Sequence[str]) -> str:
    return " OR ".join(f"starts_with(key, {literal(prefix)})" for prefix in prefixes)
