"""Fill the columns that only HEAD, ACL or tagging know; a batch of listed rows in, a batch of report rows out.

Unknown is not no. Whatever a call did not yield stays null, the row keeps what listing knew, and the reason is counted
(`problems.<Problem>`). A row whose object was overwritten since it was listed is HEAD's alone, never half of each.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.inventory.calls import CallPlan
from stocktake.inventory.hashing import key_hashes
from stocktake.inventory.heading import SSE_C, Heads, fetch_heads
from stocktake.inventory.recollection import Recollection, nothing_recalled
from stocktake.inventory.subresources import Untold, fetch_acls, fetch_tags
from stocktake.inventory.taking_over import TakingOver, spool_schema, total
from stocktake.model.fields import TEXT, Field, Kind, Source
from stocktake.model.remembering import ENRICHED_AT, KEY_HASH, LISTED_OR_HEAD, POSTPONED
from stocktake.model.runs import Counters, InventoryRun, Problem
from stocktake.store.transport import Transport

# What HEAD repeats of LIST: taken from HEAD, all together, where the object changed in between.
_REPEATED = ("size", "last_modified_date", "e_tag", "storage_class")

_MD5_LENGTH = 32
_MULTIPART_ETAG = r"^[0-9a-f]{32}-(?P<parts>[0-9]{1,5})$"


@dataclass(frozen=True, slots=True)
class Asked:
    """What asking about objects has shown: their rows in the spool's schema, and whether each was overwritten since it
    was listed; `put_off`: time was up before all was asked, so that the row is to stay as it was.
    """

    rows: pa.RecordBatch
    changed: pa.BooleanArray
    put_off: pa.BooleanArray


class Enricher:
    """Turns listed rows into report rows for one run. One per process: it remembers what the store refuses for good."""

    def __init__(self, run: InventoryRun, plan: CallPlan, transport: Transport) -> None:
        self._run = run
        self._plan = plan
        self._transport = transport
        self._fields: tuple[Field, ...] = run.fields
        self.schema = spool_schema(run)
        self._taking = TakingOver(run)
        self._parts = {"is_multipart_uploaded", "parts_count"} & set(self.schema.names)
        self._withheld = tuple(f for f in run.fields if f.withheld and f.source is Source.HEAD)
        self._today = pa.scalar(run.moment.date(), pa.date32())
        self.since_s = transport.now()  # when listing began, in seconds since 1970
        self._tags_proven: bool | None = None
        # An object whose HEAD withheld a value: what the permissions are tried on in the end.
        self.silent: tuple[str, str | None] | None = None

    async def enrich(
        self, listed: pa.RecordBatch, counters: Counters, recollection: Recollection | None = None
    ) -> pa.RecordBatch:
        """The rows of `listed` (LISTED_SCHEMA, not empty), in the same order, in the spool's schema. What
        `recollection` knows of them is not asked for; where there is a budget, nothing is yet.

        Counts `rows`, `object_bytes`, the problems and what became of the answers in `counters`. Never raises for one
        object; raises StoppedError when stopped, and CredentialsError when the store no longer accepts who asks.
        """
        counters["rows"] += listed.num_rows
        counters["object_bytes"] += total(listed.column("size"))
        columns = {name: listed.column(name) for name in listed.schema.names}
        objects = pc.invert(listed.column("is_delete_marker"))
        if not self._plan.asks:
            return self._projected(columns, objects)
        if recollection is None and not self._run.remembering.bounded and _all(objects):
            self._taking.count_new(listed.num_rows, counters)
            return (await self._ask(listed, counters)).rows
        recalled = nothing_recalled(listed) if recollection is None else recollection.of(listed)
        wanted = pc.and_not(objects, pc.and_not(recalled.known, recalled.due))
        rows = self._projected(self._taking.columns(listed, recalled, wanted), objects)
        self._taking.count(rows, objects, wanted, counters)
        if self._run.remembering.bounded:
            return rows
        return await self.fill(rows, wanted, listed.filter(wanted), counters)

    async def fill(
        self,
        rows: pa.RecordBatch,
        wanted: pa.BooleanArray,
        subjects: pa.RecordBatch,
        counters: Counters,
        *,
        since_s: float | None = None,
    ) -> pa.RecordBatch:
        """`rows`, in the spool's schema, with those that are `wanted` as asking about the `subjects`, listed in their
        order, shows them to be. Their listing began at `since_s`, or when this one did.
        """
        if not subjects.num_rows:
            return rows
        asked = await self._ask(subjects, counters, since_s)
        found, changed = asked.rows, asked.changed
        if asked.put_off.true_count:
            told = pc.invert(asked.put_off)
            found, changed = found.filter(told), changed.filter(told)
            wanted = pc.replace_with_mask(wanted, wanted, told)
        self._taking.count_asked(rows.filter(wanted), found, changed, counters)
        return pa.RecordBatch.from_arrays(
            [
                pc.replace_with_mask(old, wanted, new)
                for old, new in zip(rows.columns, found.columns, strict=True)
            ],
            schema=self.schema,
        )

    async def _ask(
        self, subjects: pa.RecordBatch, counters: Counters, since_s: float | None = None
    ) -> Asked:
        """Ask all that the plan has about `subjects` (LISTED_SCHEMA without delete markers)."""
        columns: dict[str, pa.Array] = {
            name: subjects.column(name) for name in subjects.schema.names
        }
        yes = pa.repeat(pa.scalar(True), subjects.num_rows)  # noqa: FBT003
        answered, changed = yes, pc.invert(yes)
        untold: dict[Source, Untold] = {}
        if self._plan.head:
            heads = await self._add_heads(columns, subjects, counters, since_s)
            answered, changed = self._answered(heads), heads.changed
            untold |= {Source.HEAD: heads.untold, Source.HEAD_CHECKSUM: heads.untold}
        if self._plan.acl:
            untold[Source.ACL] = told = await self._add_acls(columns, counters)
            answered = pc.and_(answered, _others(told, subjects.num_rows))
        if self._plan.tagging:
            untold[Source.TAGGING] = told = await self._add_tags(columns, counters)
            answered = pc.and_(answered, _others(told, subjects.num_rows))
        self._count_missing(columns, untold, counters)
        put_off = _put_off(untold, subjects.num_rows)
        grown = pc.subtract(columns["size"], subjects.column("size"))
        counters["object_bytes"] += total(pc.if_else(put_off, 0, grown))
        day = pc.if_else(answered, self._today, pa.scalar(None, pa.date32()))
        columns |= {
            KEY_HASH: key_hashes(columns["key"]),
            ENRICHED_AT: day,
            POSTPONED: pc.invert(yes),
        }
        return Asked(self._projected(columns, yes), changed, put_off)

    def _answered(self, heads: Heads) -> pa.BooleanArray:
        """Whether HEAD told all there is to tell: of an object under a customer's key, that it is."""
        answered = pc.equal(heads.batch.column("status"), HTTPStatus.OK)
        if heads.unsummed and "checksum_value" in self.schema.names:
            # A checksum never changes, so nothing else would have it asked for again.
            answered = pc.and_(answered, _others(heads.unsummed, len(answered)))
        if "encryption_status" in self.schema.names:
            hidden = pc.equal(heads.batch.column("encryption_status"), SSE_C)
            answered = pc.or_(answered, pc.fill_null(hidden, False))  # noqa: FBT003
        return answered

    async def _add_heads(
        self,
        columns: dict[str, pa.Array],
        subjects: pa.RecordBatch,
        counters: Counters,
        since_s: float | None,
    ) -> Heads:
        since_s = self.since_s if since_s is None else since_s
        heads = await fetch_heads(
            self._run, self._plan, subjects, self._transport, counters, since_s=since_s
        )
        found = {name: heads.batch.column(name) for name in heads.batch.schema.names}
        for name in LISTED_OR_HEAD:
            columns[name] = pc.coalesce(columns[name], found[name])
        if heads.changed.true_count:
            of_another = {name: found[name] for name in (*_REPEATED, *LISTED_OR_HEAD)}
            of_another["object_owner"] = pa.scalar(None, TEXT)
            for name, other in of_another.items():
                columns[name] = pc.if_else(heads.changed, other, columns[name])
        for field in self._fields:
            if field.column in found and field.column not in columns:
                columns[field.column] = found[field.column]
        columns["tagging_count"] = found["tagging_count"]
        columns["head_status"], columns["head_version_id"] = found["status"], found["version_id"]
        self._count_withheld(heads, subjects, counters)
        return heads

    def _count_withheld(self, heads: Heads, subjects: pa.RecordBatch, counters: Counters) -> None:
        """Count, per field, answers that said something and answers that said nothing: `said.F` and `silent.F`.

        Whether silence means "no" is decided once for the run, when its permissions are known (permissions.py).
        """
        answered = pc.equal(heads.batch.column("status"), HTTPStatus.OK)
        for field in self._withheld:
            column = heads.batch.column(field.column)
            said = pc.sum(pc.and_(answered, pc.is_valid(column)), min_count=0).as_py()
            counters[f"said.{field.name}"] += said
            silent = pc.sum(answered, min_count=0).as_py() - said
            counters[f"silent.{field.name}"] += silent
            if silent and self.silent is None:
                row = pc.index(answered, value=True).as_py()
                self.silent = (
                    subjects.column("key")[row].as_py(),
                    subjects.column("version_id")[row].as_py(),
                )

    def _count_missing(
        self, columns: dict[str, pa.Array], untold: Mapping[Source, Untold], counters: Counters
    ) -> None:
        """Count, per field and problem, values that are not there because the call that yields them told nothing:
        `missing.F.<Problem>`. An ACL that only says UNAVAILABLE is none.
        """
        for field in self._fields:
            rows_of: dict[Problem, list[int]] = {}
            for row, problem in untold.get(field.source, {}).items():
                rows_of.setdefault(problem, []).append(row)
            rows_of.pop(Problem.POSTPONED, None)  # these rows stay as they were
            for problem, rows in rows_of.items():
                missing = len(rows)
                if field.source is not Source.ACL and field.column in columns:
                    missing = columns[field.column].take(pa.array(rows)).null_count
                counters[f"missing.{field.name}.{problem}"] += missing

    async def _add_acls(self, columns: dict[str, pa.Array], counters: Counters) -> Untold:
        """Add ACLs and owners; the rows that were not answered."""
        acls, untold = await fetch_acls(self._run, _subject(columns), self._transport, counters)
        columns["object_access_control_list"] = acls.column("object_access_control_list")
        # An owner that only the refusal names ("UNAVAILABLE") never replaces the one that LIST knew.
        columns["object_owner"] = pc.coalesce(columns["object_owner"], acls.column("object_owner"))
        return untold

    async def _add_tags(self, columns: dict[str, pa.Array], counters: Counters) -> Untold:
        """Add tags; the rows that were not answered."""
        tags, untold, proven = await fetch_tags(
            self._run, _subject(columns), self._tags_proven, self._transport, counters
        )
        # Another lane may have proven it meanwhile, and what is proven stays so.
        self._tags_proven = self._tags_proven or proven
        columns["object_tags"] = tags
        return untold

    def _projected(self, columns: dict[str, pa.Array], objects: pa.BooleanArray) -> pa.RecordBatch:
        """Rows in the spool's schema, null where `columns` have nothing. `objects`: they are no delete markers."""
        rows = len(objects)
        columns["bucket"] = pa.repeat(pa.scalar(self._run.bucket, TEXT), rows)
        if self._parts:
            _add_parts(columns, objects, counted="parts_count" in self._parts)
        if "bucket_key_status" in self.schema.names:
            # Genuine reports print DISABLED on delete markers, where all other such columns are empty.
            known = columns.get("bucket_key_status", pa.nulls(rows, TEXT))
            columns["bucket_key_status"] = pc.if_else(objects, known, "DISABLED")
        return pa.RecordBatch.from_arrays(
            [
                columns[each.name] if each.name in columns else pa.nulls(rows, each.type)
                for each in self.schema
            ],
            schema=self.schema,
        )


def _all(mask: pa.BooleanArray) -> bool:
    return bool(mask.true_count == len(mask))


def _add_parts(columns: dict[str, pa.Array], objects: pa.Array, *, counted: bool) -> None:
    """Whether each object was uploaded in parts and, where that is wanted, in how many: its ETag tells."""
    multipart = _uploaded_in_parts(columns["e_tag"])
    unknown = pa.scalar(None, pa.bool_())
    columns["is_multipart_uploaded"] = pc.if_else(objects, multipart, unknown)
    if counted:
        parts = pc.struct_field(pc.extract_regex(columns["e_tag"], _MULTIPART_ETAG), "parts")
        columns["parts_count"] = pc.cast(
            pc.if_else(multipart, parts, pa.scalar(None, TEXT)), pa.int64()
        )


def _uploaded_in_parts(e_tags: pa.StringArray) -> pa.BooleanArray:
    """Whether each ETag is that of an upload in parts; null where there is none. Only those that are longer than an MD5
    are looked at, for most are not.
    """
    longer = pc.greater(pc.binary_length(e_tags), _MD5_LENGTH)
    if not longer.true_count:
        return longer
    found = pc.match_substring_regex(e_tags.filter(longer), _MULTIPART_ETAG)
    return pc.replace_with_mask(longer, pc.fill_null(longer, False), found)  # noqa: FBT003


def _others(untold: Container[int], count: int) -> pa.BooleanArray:
    """Of so many rows, those that were answered."""
    return pa.array([row not in untold for row in range(count)], pa.bool_())


def _put_off(untold: Mapping[Source, Untold], count: int) -> pa.BooleanArray:
    """Of so many rows, those about which something was not asked for want of time."""
    late = {
        row
        for told in untold.values()
        for row, problem in told.items()
        if problem is Problem.POSTPONED
    }
    return pc.invert(_others(late, count)) if late else pa.repeat(pa.scalar(False), count)  # noqa: FBT003


def _subject(columns: dict[str, pa.Array]) -> pa.RecordBatch:
    """Key, version and, where HEAD was made, its status and tag count, of each row.

    A HEAD that named the version it answered for pins what is asked next to that very version.
    """
    count = len(columns["key"])
    pinned = columns.get("head_version_id", pa.nulls(count, TEXT))
    return pa.RecordBatch.from_pydict(
        {
            "key": columns["key"],
            "version_id": pc.coalesce(columns["version_id"], pinned),
            "tagging_count": columns.get("tagging_count", pa.nulls(count, pa.int64())),
            "head_status": columns.get("head_status", pa.nulls(count, pa.int16())),
        }
    )


def fields_never_known(fields: Sequence[Field]) -> tuple[str, ...]:
    """The chosen fields that no S3 call exposes; they stay null, and the summary says so."""
    return tuple(
        field.name
        for field in fields
        if field.source is Source.NEVER and field.kind is not Kind.ALWAYS
    )
