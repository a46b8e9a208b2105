"""Fill the columns that only HEAD, ACL or tagging know; a batch of listed rows in, a batch of report rows out.

Unknown is not no. Whatever a call did not yield stays null, the row keeps what listing knew, and the reason is counted
(`problems.<Problem>`). A row whose object was overwritten since it was listed is HEAD's alone, never half of each.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.inventory.calls import CallPlan
from stocktake.inventory.heading import Heads, fetch_heads
from stocktake.inventory.subresources import fetch_acls, fetch_tags
from stocktake.model.fields import TEXT, Field, Kind, Source
from stocktake.model.runs import Counters, InventoryRun
from stocktake.store.transport import Transport

# What HEAD repeats of LIST: taken from HEAD, all together, where the object changed in between.
_REPEATED = ("size", "last_modified_date", "e_tag", "storage_class")
# What LIST tells on some stores and HEAD on others.
_EITHER = ("checksum_algorithm", "checksum_type", "restore_status")

_MD5_LENGTH = 32
_MULTIPART_ETAG = r"^[0-9a-f]{32}-(?P<parts>[0-9]{1,5})$"


class Enricher:
    """Turns listed rows into report rows for one run. One per process: it remembers what the store refuses for good."""

    def __init__(self, run: InventoryRun, plan: CallPlan, transport: Transport) -> None:
        self._run = run
        self._plan = plan
        self._transport = transport
        self._fields: tuple[Field, ...] = run.fields
        self._schema = pa.schema([field.arrow for field in run.fields])
        self._parts = {"is_multipart_uploaded", "parts_count"} & set(self._schema.names)
        self._withheld = tuple(f for f in run.fields if f.withheld and f.source is Source.HEAD)
        self.since_s = transport.now()  # when listing began, in seconds since 1970
        self._tags_proven: bool | None = None
        # An object whose HEAD withheld a value: what the permissions are tried on in the end.
        self.silent: tuple[str, str | None] | None = None

    async def enrich(self, listed: pa.RecordBatch, counters: Counters) -> pa.RecordBatch:
        """The report's rows for `listed` (LISTED_SCHEMA), in the same order, in the report's schema.

        Counts `rows`, `object_bytes` and the problems in `counters`. Never raises for one object; raises StoppedError
        when stopped, and CredentialsError when the store no longer accepts who asks.
        """
        columns: dict[str, pa.Array] = {name: listed.column(name) for name in listed.schema.names}
        objects = pc.invert(listed.column("is_delete_marker"))
        if self._plan.head:
            await self._add_heads(columns, listed, objects, counters)
        if self._plan.acl:
            await self._add_acls(columns, objects, counters)
        if self._plan.tagging:
            await self._add_tags(columns, objects, counters)
        counters["rows"] += listed.num_rows
        counters["object_bytes"] += pc.sum(columns["size"], min_count=0).as_py()
        return self._projected(columns, listed.num_rows, objects)

    async def _add_heads(
        self,
        columns: dict[str, pa.Array],
        listed: pa.RecordBatch,
        objects: pa.Array,
        counters: Counters,
    ) -> None:
        heads = await fetch_heads(
            self._run,
            self._plan,
            listed.filter(objects),
            self._transport,
            counters,
            since_s=self.since_s,
        )
        spread = _spread(heads.batch, objects)
        changed = pc.fill_null(_spread_one(heads.changed, objects), False)  # noqa: FBT003
        for name in _REPEATED:
            columns[name] = pc.if_else(changed, spread[name], columns[name])
        for name in _EITHER:
            columns[name] = pc.if_else(
                changed, spread[name], pc.coalesce(columns[name], spread[name])
            )
        columns["object_owner"] = pc.if_else(
            changed, pa.scalar(None, TEXT), columns["object_owner"]
        )
        for field in self._fields:
            if field.column in spread and field.column not in columns:
                columns[field.column] = spread[field.column]
        for name in ("tagging_count", "head_status", "head_version_id"):
            columns[name] = spread[name]
        self._count_withheld(heads, listed.filter(objects), counters)

    def _count_withheld(self, heads: Heads, subjects: pa.RecordBatch, counters: Counters) -> None:
        """Count, per field, answers that said something and answers that said nothing: `said.F` and `silent.F`.

        Whether silence means "no" is decided once for the run, when its permissions are known (permissions.py).
        """
        answered = pc.equal(heads.batch.column("status"), 200)
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

    async def _add_acls(
        self, columns: dict[str, pa.Array], objects: pa.Array, counters: Counters
    ) -> None:
        acls = await fetch_acls(self._run, _subject(columns, objects), self._transport, counters)
        columns["object_access_control_list"] = _spread_one(
            acls.column("object_access_control_list"), objects
        )
        # An owner that only the refusal names ("UNAVAILABLE") never replaces the one that LIST knew.
        columns["object_owner"] = pc.coalesce(
            columns["object_owner"], _spread_one(acls.column("object_owner"), objects)
        )

    async def _add_tags(
        self, columns: dict[str, pa.Array], objects: pa.Array, counters: Counters
    ) -> None:
        subject = _subject(columns, objects)
        tags, proven = await fetch_tags(
            self._run, subject, self._tags_proven, self._transport, counters
        )
        # Another lane may have proven it meanwhile, and what is proven stays so.
        self._tags_proven = self._tags_proven or proven
        columns["object_tags"] = _spread_one(tags, objects)

    def _projected(
        self, columns: dict[str, pa.Array], rows: int, objects: pa.Array
    ) -> pa.RecordBatch:
        columns["bucket"] = pa.repeat(pa.scalar(self._run.bucket, TEXT), rows)
        if self._parts:
            _add_parts(columns, objects, counted="parts_count" in self._parts)
        if "bucket_key_status" in columns:
            # Genuine reports print DISABLED on delete markers, where all other such columns are empty.
            columns["bucket_key_status"] = pc.if_else(
                objects, columns["bucket_key_status"], "DISABLED"
            )
        return pa.RecordBatch.from_arrays(
            [
                columns[f.column] if f.column in columns else pa.nulls(rows, f.type)
                for f in self._fields
            ],
            schema=self._schema,
        )


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


def _subject(columns: dict[str, pa.Array], objects: pa.Array) -> pa.RecordBatch:
    """Key, version and, where HEAD was made, its status and tag count, of the rows that are objects.

    A HEAD that named the version it answered for pins what is asked next to that very version.
    """
    count = len(objects)
    pinned = columns.get("head_version_id", pa.nulls(count, TEXT))
    subject = pa.RecordBatch.from_pydict(
        {
            "key": columns["key"],
            "version_id": pc.coalesce(columns["version_id"], pinned),
            "tagging_count": columns.get("tagging_count", pa.nulls(count, pa.int64())),
            "head_status": columns.get("head_status", pa.nulls(count, pa.int16())),
        }
    )
    return subject.filter(objects)


def _positions(objects: pa.Array) -> pa.Array:
    """For each row its position among the objects, null for delete markers."""
    position = pc.subtract(pc.cumulative_sum(pc.cast(objects, pa.int32())), 1)
    return pc.if_else(objects, position, pa.scalar(None, pa.int32()))


def _spread_one(column: pa.Array, objects: pa.Array) -> pa.Array:
    """`column`, one value an object, with nulls where delete markers stand."""
    return column if len(column) == len(objects) else column.take(_positions(objects))


def _spread(batch: pa.RecordBatch, objects: pa.Array) -> dict[str, pa.Array]:
    names = {"status": "head_status", "version_id": "head_version_id"}
    return {
        names.get(name, name): _spread_one(batch.column(name), objects)
        for name in batch.schema.names
    }


def fields_never_known(fields: Sequence[Field]) -> tuple[str, ...]:
    """The chosen fields that no S3 call exposes; they stay null, and the summary says so."""
    return tuple(
        field.name
        for field in fields
        if field.source is Source.NEVER and field.kind is not Kind.ALWAYS
    )
