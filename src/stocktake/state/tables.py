"""The tables of the ledger, in what SQLite and PostgreSQL have in common. `migrations/` makes them.

Values of the model lie in Text columns as JSON (`model/documents.py`); what statements ask for has columns of its own.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    event,
    insert,
    text,
)

SCHEMA_VERSION = (
    "0012"  # the newest migration; they are numbered, so that a newer ledger can be told
)


class Moment(TypeDecorator[datetime]):
    """A moment, UTC both ways; SQLite keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """To the database."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """From the database."""
        if value is None or value.tzinfo is UTC:
            return value
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Constraints have names, so that later migrations can speak of them.
metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("source", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("configuration_id", String(64), nullable=False),
    Column("document", Text, nullable=False),  # the InventoryRun
    Column("spool", Text, nullable=False),  # a JSON text: a path may be no UTF-8
    Column("started", Moment, nullable=False),
    Column("updated", Moment, nullable=False),
    Column("finished", Moment),
    Column("token", String(32)),  # of the claim, while it is running
    Column("owner", Text),  # likewise
    Column("place", Text, unique=True),  # the report folder, with its store: one run each
    Column("root", Text),
    Column("moment", Moment),
    Column("manifest", Text),
    Column("rows", BigInteger),  # of the published report
    Column("error", Text),
    Column("hint", Text),
    Index(None, "state"),
    Index(None, "started"),
)

# Every key in the destination that a run named. `delivery` is there once the file lies there, confirmed.
files = Table(
    "files",
    metadata,
    Column("run", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("rows", BigInteger),
    Column("delivery", Text),
)

uploads = Table(
    "uploads",
    metadata,
    Column("run", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("upload_id", Text, primary_key=True),
)

# What was expected of a published run beside what it came to, a row for each figure, in their order.
comparisons = Table(
    "comparisons",
    metadata,
    Column("run", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("comparison", Text, nullable=False),
)

# Segments of the spool; those of one run never overlap, so where one begins tells it from all others.
segments = Table(
    "segments",
    metadata,
    Column("run", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("after", Text, primary_key=True),  # JSON, as a key may hold what a database refuses
    Column("rows", BigInteger, nullable=False),
    Column("segment", Text, nullable=False),
)

# Ids are listed in the order of their bytes, whatever the database's own order of texts.
_IDENTITY = String(64).with_variant(String(64, collation="C"), "postgresql")

# AWS's documents as they were put, by store, source bucket and Id.
configurations = Table(
    "configurations",
    metadata,
    Column("store", String(64), primary_key=True),
    Column("bucket", String(255), primary_key=True),
    Column("id", _IDENTITY, primary_key=True),
    Column("document", Text, nullable=False),  # JSON as the AWS CLI takes it
    Column("enabled", Boolean, nullable=False),
    Column("created", Moment, nullable=False),
    Column("changed", Moment, nullable=False),
    Column("version", BigInteger, nullable=False),  # of VERSIONS
    Column("owner", Text),  # whose the bucket is, as far as the store says
    Column("suspended", Moment),  # since when it runs no more
    Column("reason", Text),  # likewise
)

# What AWS's document cannot say, under the same key. AWS's API neither shows it nor changes it.
report_options = Table(
    "report_options",
    metadata,
    Column("store", String(64), primary_key=True),
    Column("bucket", String(255), primary_key=True),
    Column("id", _IDENTITY, primary_key=True),
    Column("document", Text, nullable=False),  # a JSON object
    Column("changed", Moment, nullable=False),
)

# What trying a configuration out has shown, under the same key. Somebody tries it since `begun`; `trial` is what they
# write meanwhile, to be removed by whoever comes after them.
configuration_checks = Table(
    "configuration_checks",
    metadata,
    Column("store", String(64), primary_key=True),
    Column("bucket", String(255), primary_key=True),
    Column("id", _IDENTITY, primary_key=True),
    Column("begun", Moment),
    Column("trial", Text),
    Column("version", BigInteger),  # of the configuration that was tried
    Column("checked", Moment),
    Column("document", Text),  # a CheckResult
)

# Reports that are being removed, each with all objects of it, in the order in which they go.
expiries = Table(
    "expiries",
    metadata,
    Column("place", Text, primary_key=True),  # the report folder, with its store
    Column("document", Text, nullable=False),  # the Expiry
    Column("begun", Moment, nullable=False),
    Column("tried", Moment),
    Column("error", Text),
)

# Which versions of its objects the run of a report wrote, in a destination that has versions: these go when it does.
report_versions = Table(
    "report_versions",
    metadata,
    Column("place", Text, primary_key=True),  # as that of the run
    Column("key", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("noted", Moment, nullable=False),
    Index(None, "noted"),
)

# Reports that scheduled runs published, until their removal is over; a run itself is forgotten before.
published_reports = Table(
    "published_reports",
    metadata,
    Column("run", String(16), primary_key=True),
    Column("store", String(64), nullable=False),
    Column("bucket", String(255), nullable=False),
    Column("configuration_id", _IDENTITY, nullable=False),
    Column("period", Moment),
    Column("published", Moment, nullable=False),
    Column("place", Text),  # the report folder, with its store
    Column("manifest", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("file_bytes", BigInteger),  # of its data files
    Column("object_bytes", BigInteger),
    Column("problems", Text, nullable=False),  # a JSON object
    Index(None, "place"),
)
_REPORTED = published_reports.c
Index(
    "ix_published_reports_newest",
    *(_REPORTED.store, _REPORTED.bucket, _REPORTED.configuration_id),
    *(_REPORTED.published.desc(), _REPORTED.run),
)

# Workers, each until it ends or has long been silent.
workers = Table(
    "workers",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("host", Text, nullable=False),
    Column("process", Integer, nullable=False),
    Column("version", String(64), nullable=False),
    Column("begun", Moment, nullable=False),
    Column("beaten", Moment, nullable=False),
)

# What became of scheduled runs. `spread`: whoever is to be told of it has a notice.
events = Table(
    "events",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("run", String(16), nullable=False),
    Column("store", String(64), nullable=False),
    Column("created", Moment, nullable=False),
    Column("document", Text, nullable=False),  # a JSON object
    Column("spread", Boolean, nullable=False),
    Index(None, "spread"),
)

notices = Table(
    "notices",
    metadata,
    Column("event", ForeignKey("events.id", ondelete="CASCADE"), primary_key=True),
    Column("target", String(64), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due", Moment, nullable=False),
    Column("finished", Moment),
    Column("status", Integer),  # of the last answer
    Column("error", Text),
    Index(None, "target", "state", "due"),
)

# Numbers that only grow, in this ledger, whatever is deleted.
counters = Table(
    "counters",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
VERSIONS = "configurations"  # the counter that numbers every put of a configuration
EPOCHS = "epochs"  # the counter that numbers every claim of a scheduled run

# Runs that the service does on its own. What such a run has done is in `runs`, under the same id, once it was begun.
scheduled_runs = Table(
    "scheduled_runs",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("store", String(64), nullable=False),
    Column("bucket", String(255), nullable=False),
    Column("configuration_id", _IDENTITY, nullable=False),
    Column("put", Moment, nullable=False),  # the configuration's `created`: one put anew is another
    Column("period", Moment),  # its start; null where a user asked for the run
    Column("state", String(16), nullable=False),
    Column("due", Moment, nullable=False),
    Column("created", Moment, nullable=False),
    Column("finished", Moment),
    Column("epoch", BigInteger, nullable=False),  # of EPOCHS; 0 before the first claim
    Column("claims", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),  # that failed
    Column("lease_s", Float, nullable=False),
    Column("lease_until", Moment),  # while somebody works on it, or may
    Column("owner", Text),
    Column("progress", Text),  # a JSON object
    Column("error", Text),
    Column("hint", Text),
    # Once per configuration and period. Nulls are all different, on both databases.
    UniqueConstraint("store", "bucket", "configuration_id", "put", "period"),
    Index(None, "state", "due"),
)
# The order in which lists of runs are read: of all, of one store, configuration or state. SQLite takes an index in that
# order before one that finds less, so that a configuration must have its own.
_TOLD = scheduled_runs.c
_NEWEST = (_TOLD.created.desc(), _TOLD.id)
Index("ix_scheduled_runs_newest", *_NEWEST)
Index("ix_scheduled_runs_store_newest", _TOLD.store, *_NEWEST)
Index(
    "ix_scheduled_runs_configuration_newest",
    *(_TOLD.store, _TOLD.bucket, _TOLD.configuration_id, *_NEWEST),
)
Index("ix_scheduled_runs_state_newest", _TOLD.state, *_NEWEST)
# Those that are not over, that somebody may work on, or of which something may be left: few among all that there were.
# SQLite enters such an index where no other has the same condition, and none of the last is.
LEFT = text(
    "CASE state WHEN 'published' THEN lease_until IS NOT NULL"
    " WHEN 'cancelled' THEN claims > 0 WHEN 'failed' THEN claims > 0 END"
)
_NOT_OVER, _LEASED = text("finished IS NULL"), text("lease_until IS NOT NULL")
for _name, _columns, _those in (
    ("under_way", (_TOLD.store, _TOLD.bucket, _TOLD.configuration_id, _TOLD.put), _NOT_OVER),
    ("next", (_TOLD.due, _TOLD.id), _NOT_OVER),
    ("leased", (_TOLD.store, _TOLD.lease_until), _LEASED),
    ("left", (_TOLD.id,), LEFT),
):
    Index(f"ix_scheduled_runs_{_name}", *_columns, sqlite_where=_those, postgresql_where=_those)


@event.listens_for(counters, "after_create")
def _begin_counting(_table: Table, connection: Connection, **_: object) -> None:
    for name in (VERSIONS, EPOCHS):
        connection.execute(insert(counters).values(name=name, value=0))
