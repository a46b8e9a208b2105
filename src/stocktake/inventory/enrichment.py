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

_MULTIPART_ETAG = r"^[0-9a-f]{32}-(?P<parts>[0-9]{1,5})$"


class Enricher:
    """Turns listed rows into report rows for one run. One per lane: it remembers what the store refuses for good."""

    def __init__(
        self, run: InventoryRun, plan: CallPlan, transport: Transport, counters: Counters
    ) -> None:
        self._run = run
        self._plan = plan
        self._transport = transport
        self._counters = counters
        self._fields: tuple[Field, ...] = run.fields
        self._schema = pa.schema([field.arrow for field in run.fields])
        self._withheld = tuple(f for f in run.fields if f.withheld and f.source is Source.HEAD)
        self._since_s = transport.now()
        self._tags_proven: bool | None = None
        # An object whose HEAD withheld a value: what the permissions are tried on in the end.
        self.silent: tuple[str, str | None] | None = None

    def enrich(self, listed: pa.RecordBatch) -> pa.RecordBatch:
        """The report's rows for `listed` (LISTED_SCHEMA), in the same order, in the report's schema.

        Counts `rows`, `object_bytes` and the problems. Never raises for one object; raises StoppedError when stopped,
        and CredentialsError when the store no longer accepts who asks.
        """
        columns: dict[str, pa.Array] = {name: listed.column(name) for name in listed.schema.names}
        objects = pc.invert(listed.column("is_delete_marker"))
        if self._plan.head:
            self._add_heads(columns, listed, objects)
        if self._plan.acl:
            self._add_acls(columns, objects)
        if self._plan.tagging:
            self._add_tags(columns, objects)
        return self._projected(columns, listed.num_rows, objects)

    def _add_heads(
        self, columns: dict[str, pa.Array], listed: pa.RecordBatch, objects: pa.Array
    ) -> None:
        heads = fetch_heads(
            self._run,
            self._plan,
            listed.filter(objects),
            self._transport,
            self._counters,
            since_s=self._since_s,
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
        self._count_withheld(heads, listed.filter(objects))

    def _count_withheld(self, heads: Heads, subjects: pa.RecordBatch) -> None:
        """Count, per field, answers that said something and answers that said nothing: `said.F` and `silent.F`.

        Whether silence means "no" is decided once for the run, when its permissions are known (permissions.py).
        """
        answered = pc.equal(heads.batch.column("status"), 200)
        for field in self._withheld:
            column = heads.batch.column(field.column)
            said = pc.sum(pc.and_(answered, pc.is_valid(column)), min_count=0).as_py()
            self._counters[f"said.{field.name}"] += said
            silent = pc.sum(answered, min_count=0).as_py() - said
            self._counters[f"silent.{field.name}"] += silent
            if silent and self.silent is None:
                row = pc.index(answered, value=True).as_py()
                self.silent = (
                    subjects.column("key")[row].as_py(),
                    subjects.column("version_id")[row].as_py(),
                )

    def _add_acls(self, columns: dict[str, pa.Array], objects: pa.Array) -> None:
        acls = fetch_acls(self._run, _subject(columns, objects), self._transport, self._counters)
        columns["object_access_control_list"] = _spread_one(
            acls.column("object_access_control_list"), objects
        )
        # An owner that only the refusal names ("UNAVAILABLE") never replaces the one that LIST knew.
        columns["object_owner"] = pc.coalesce(
            columns["object_owner"], _spread_one(acls.column("object_owner"), objects)
        )

    def _add_tags(self, columns: dict[str, pa.Array], objects: pa.Array) -> None:
        subject = _subject(columns, objects)
        tags, self._tags_proven = fetch_tags(
            self._run, subject, self._tags_proven, self._transport, self._counters
        )
        columns["object_tags"] = _spread_one(tags, objects)

    def _projected(
        self, columns: dict[str, pa.Array], rows: int, objects: pa.Array
    ) -> pa.RecordBatch:
        columns["bucket"] = pa.array([self._run.bucket], TEXT).take(
            pa.array([0] * rows, pa.int32())
        )
        multipart = pc.match_substring_regex(columns["e_tag"], _MULTIPART_ETAG)
        columns["is_multipart_uploaded"] = pc.if_else(
            objects, multipart, pa.scalar(None, pa.bool_())
        )
        parts = pc.struct_field(pc.extract_regex(columns["e_tag"], _MULTIPART_ETAG), "parts")
        columns["parts_count"] = pc.cast(
            pc.if_else(multipart, parts, pa.scalar(None, TEXT)), pa.int64()
        )
        if "bucket_key_status" in columns:
            # Genuine reports print DISABLED on delete markers, where all other such columns are empty.
            columns["bucket_key_status"] = pc.if_else(
                objects, columns["bucket_key_status"], "DISABLED"
            )
        self._counters["rows"] += rows
        self._counters["object_bytes"] += pc.sum(columns["size"], min_count=0).as_py()
        return pa.RecordBatch.from_arrays(
            [
                columns[f.column] if f.column in columns else pa.nulls(rows, f.type)
                for f in self._fields
            ],
            schema=self._schema,
        )


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
