"""The ledger: which runs there are, who works on each, and what each has named, spooled and delivered.

Everything that a method was told is durable when it returns. A run is written about under a Claim; when another process
takes the run up, the claim ends, and whoever held it is refused from then on.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, and_, delete, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from stocktake.model.documents import encode, encode_run
from stocktake.model.errors import InventoryError, RunStateError
from stocktake.model.figures import Comparison
from stocktake.model.ledger import (
    RESUMABLE,
    SPOOL_PREFIX,
    UNFINISHED,
    Claim,
    Owner,
    RunRecord,
    RunState,
    Upload,
)
from stocktake.model.pieces import Delivery, Kept, Segment
from stocktake.model.runs import InventoryRun
from stocktake.state import holdings, scheduled_writes
from stocktake.state.checks import Checks
from stocktake.state.claims import Claims
from stocktake.state.configurations import Configurations
from stocktake.state.expiries import Expiries
from stocktake.state.notices import Notices
from stocktake.state.observing import Observing
from stocktake.state.opening import FILE, moment_of, open_database, open_server, shown
from stocktake.state.records import check_transition, read_run, read_runs
from stocktake.state.report_versions import (
    forget_old_versions,
    forget_versions,
    insert_version,
    move_versions,
)
from stocktake.state.reports import Reports
from stocktake.state.schedule import Schedule
from stocktake.state.tables import files, runs
from stocktake.state.transactions import Transactions
from stocktake.state.workers import Workers

# Runs that are over are forgotten beyond these, but none that may have left something in its destination.
FINISHED_RUNS_MAX = 1000
FINISHED_FOR_MAX = timedelta(days=90)

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # none that are taken for one another
_ID_LETTERS = 8


class Ledger(Transactions, AbstractContextManager["Ledger"]):
    """The ledger in one folder. All methods raise InventoryError where it cannot be read or written, and those that
    take a Claim also where that has ended. May be used from several threads.
    """

    def __init__(self, engine: Engine, where: object, now: Callable[[], datetime]) -> None:
        super().__init__(engine, where, now)
        self.configurations = Configurations(engine, where, now)  # that users put
        self.checks = Checks(engine, where, now)  # of configurations
        self.schedule = Schedule(engine, where, now)  # of runs of these
        self.reports = Reports(engine, where, now)  # that these published
        self.workers = Workers(engine, where, now)  # who does so
        self.claims = Claims(engine, where, now)  # of scheduled runs
        self.expiries = Expiries(engine, where, now)  # of reports
        self.observing = Observing(engine, where, now)  # all of them
        self.notices = Notices(engine, where, now)  # of what became of runs

    @classmethod
    def open(cls, folder: Path, *, now: Callable[[], datetime]) -> Ledger:
        """The ledger in `folder`, which is made where it is missing; for this user alone.

        Raises:
            InventoryError: it cannot be made, is damaged, or is of a newer stocktake.
        """
        return cls(open_database(folder), folder / FILE, now)

    @classmethod
    def at(cls, url: str, *, now: Callable[[], datetime]) -> Ledger:
        """The ledger in the PostgreSQL database at `url`.

        Raises:
            InventoryError: it cannot be reached, or is of a newer stocktake.
        """
        engine = open_server(url)
        return cls(engine, shown(engine.url), now)

    def close(self) -> None:
        """Close what is open."""
        self._engine.dispose()

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- which runs there are ----------------------------------------------------------------------

    def runs(self) -> list[RunRecord]:
        """All runs, the newest first."""
        with self.reading() as connection:
            return read_runs(connection, self._now())

    def run(self, run: str) -> RunRecord:
        """The run that a user calls `run`.

        Raises:
            UsageError: there is no such run.
        """
        with self.reading() as connection:
            return read_run(connection, run.strip().lower(), self._now())

    # -- whose a run is ----------------------------------------------------------------------------

    def begin(self, run: InventoryRun, owner: Owner, spool_above: Path) -> Claim:
        """Enter a run that `owner` begins to work on. Its rows will wait in a folder of its own in `spool_above`.

        Raises:
            UsageError: the run holds a secret, which is not to be written down.
        """
        claim = Claim("".join(secrets.choice(_LETTERS) for _ in range(_ID_LETTERS)), uuid4().hex)
        with self.writing() as connection:
            self._prune(connection)
            connection.execute(insert(runs).values(self._begun(claim, run, owner, spool_above)))
        return claim

    def enter(self, claim: Claim, run: InventoryRun, owner: Owner, spool_above: Path) -> None:
        """Enter the first attempt at a scheduled run, or another where an attempt has failed: what that named is still
        known, and nothing else of it.

        Raises:
            UsageError: as `begin`.
        """
        values = self._begun(claim, run, owner, spool_above)
        with self.writing() as connection:
            scheduled_writes.check_held(connection, claim)
            forget_versions(connection, claim.run)
            anew = {
                "place": None,
                "root": None,
                "moment": None,
                "error": None,
                "hint": None,
                "finished": None,
            }
            again = update(runs).where(runs.c.id == claim.run).values(**values, **anew)
            if connection.execute(again).rowcount == 0:
                self._prune(connection)
                connection.execute(insert(runs).values(values))
            holdings.delete_all_segments(connection, claim.run)
            holdings.forget_deliveries(connection, claim.run)

    def move_spool(self, claim: Claim, spool_above: Path) -> None:
        """Have the rows of a run that another machine may have worked on wait in `spool_above` from now on."""
        with self._claimed(claim, spool=_spool(claim.run, spool_above)):
            pass

    def _begun(
        self, claim: Claim, run: InventoryRun, owner: Owner, spool_above: Path
    ) -> dict[str, Any]:
        now = self._now()
        return {
            "id": claim.run,
            "token": claim.token,
            "owner": encode(owner),
            "state": RunState.RUNNING,
            "source": f"s3://{run.bucket}/{run.configuration.prefix}".removesuffix("/"),
            "destination": str(run.address),
            "configuration_id": run.configuration.id,
            "document": encode_run(run),
            "spool": _spool(claim.run, spool_above),
            "started": now,
            "updated": now,
        }

    def resume(self, run: str, owner: Owner) -> Claim:
        """Have `owner` go on with a run. Of any number that try at once, one succeeds.

        Raises:
            UsageError: there is no such run.
            InventoryError: somebody works on it, or it is over.
        """
        claim = Claim(run, uuid4().hex)
        taken_up = {"token": claim.token, "owner": encode(owner), "error": None, "hint": None}
        self._take(run, RunState.RUNNING, taken_up)
        return claim

    def abandon(self, run: str) -> None:
        """Give a run up for good. This comes before anything of it is removed, so that nobody goes on with the rest.

        Raises:
            UsageError: there is no such run.
            InventoryError: somebody works on it, or its report is published.
        """
        if self.run(run).state is not RunState.ABANDONED:
            given_up = {"token": None, "owner": None, "finished": self._now()}
            self._take(run, RunState.ABANDONED, given_up)

    def _take(self, run: str, state: RunState, values: dict[str, Any]) -> None:
        with self.writing() as connection:
            # SQLite lets nobody write meanwhile; other databases hold back who wants the same row.
            connection.execute(select(runs.c.id).where(runs.c.id == run).with_for_update())
            record = read_run(connection, run, self._now())
            check_transition(record, state)
            scheduled_writes.check_free(connection, run)
            connection.execute(
                update(runs)
                .where(runs.c.id == run)
                .values(state=state, updated=self._now(), **values)
            )

    def leave(self, claim: Claim, state: RunState, error: InventoryError) -> None:
        """Say that the run was stopped, or failed, by `error`."""
        values = {
            "state": state,
            "finished": None if state in RESUMABLE else self._now(),
            "error": error.message,
            "hint": error.hint,
        }
        with self._claimed(claim, token=None, owner=None, **values):
            pass

    def publish(
        self,
        claim: Claim,
        manifest: str,
        delivered: Iterable[str],
        rows: int,
        *,
        compared: Sequence[Comparison] = (),
        said: Mapping[str, Any] | None = None,
    ) -> None:
        """Say that the report is published: its manifest is at the address `manifest` and names the data files at the
        keys `delivered`, with so many rows. The ledger need no longer know of them. `compared` is what the run came
        to, `said` what those are told who want to hear of it.
        """
        over = {"state": RunState.PUBLISHED, "finished": self._now(), "token": None, "owner": None}
        with self._claimed(claim, manifest=manifest, rows=rows, **over) as connection:
            holdings.delete_keys(connection, claim.run, delivered)
            holdings.delete_all_segments(connection, claim.run)
            holdings.insert_comparisons(connection, claim.run, compared)
            told = {**(said or {}), "manifest": manifest, "rows": rows}
            scheduled_writes.set_published(connection, claim, self._now(), told)

    # -- what a run has ----------------------------------------------------------------------------

    def beat(self, claim: Claim) -> None:
        """Say that whoever has the claim is still there; of a scheduled run, the lease begins anew."""
        with self._claimed(claim) as connection:
            scheduled_writes.renew(connection, claim, moment_of(connection, self._now))

    def choose_folder(self, claim: Claim, place: str, root: str, moment: datetime) -> bool:
        """Choose the report folder of `moment` under `root`; `place` names it among those of all stores. False where
        it is another run's.
        """
        others = select(runs.c.id).where(runs.c.place == place, runs.c.id != claim.run)
        with self._claimed(claim) as connection:
            if connection.scalar(others) is not None:
                return False
            move_versions(connection, claim.run, place)
            chosen = update(runs).where(runs.c.id == claim.run)
            try:
                with connection.begin_nested():
                    connection.execute(chosen.values(place=place, root=root, moment=moment))
            except (
                IntegrityError
            ):  # another run has just chosen it, on a database that lets both write
                return False
            return True

    def name(self, claim: Claim, key: str) -> None:
        """Note the key of a data file before its first byte is sent."""
        with self._claimed(claim) as connection:
            holdings.insert_key(connection, claim.run, key)

    def upload(self, claim: Claim, upload: Upload) -> None:
        """Note a multipart upload before its first part is sent."""
        with self._claimed(claim) as connection:
            holdings.insert_upload(connection, claim.run, upload)

    def spool(self, claim: Claim, segment: Segment) -> None:
        """Note a finished segment, whose file is on the disk for good."""
        with self._claimed(claim) as connection:
            holdings.insert_segment(connection, claim.run, segment)

    def deliver(self, claim: Claim, delivery: Delivery, group: Sequence[Segment]) -> None:
        """Note a data file that lies in the destination, confirmed; the segments it was made of are over."""
        with self._claimed(claim) as connection:
            holdings.update_delivered(connection, claim.run, delivery)
            holdings.delete_segments(connection, claim.run, group)
            if (version := delivery.file.version) is not None:
                key = delivery.file.file.key
                insert_version(connection, claim.run, key, version, self._now())

    def place(self, claim: Claim, key: str, version: str) -> None:
        """Note which version an object is that the run wrote beside its data files."""
        with self._claimed(claim) as connection:
            insert_version(connection, claim.run, key, version, self._now())

    def drop(self, claim: Claim, lost: Sequence[Segment], keys: Iterable[str] = ()) -> None:
        """Note that these segments' files did not survive, nor what was delivered to these keys."""
        with self._claimed(claim) as connection:
            holdings.delete_segments(connection, claim.run, lost)
            holdings.drop_deliveries(connection, claim.run, keys)

    def kept(self, run: str) -> Kept:
        """The finished pieces of a run."""
        with self.reading() as connection:
            record = read_run(connection, run, self._now())
            return Kept(
                holdings.select_deliveries(connection, run),
                holdings.select_segments(connection, run),
                record.root,
                record.moment,
            )

    def names(self, run: str) -> Sequence[str]:
        """The keys that a run named and that no report of it names, ascending."""
        with self.reading() as connection:
            return holdings.select_keys(connection, run)

    def comparisons(self, run: str) -> Sequence[Comparison]:
        """What was expected of a published run beside what it came to."""
        with self.reading() as connection:
            return holdings.select_comparisons(connection, run)

    def names_unfinished(self) -> Sequence[str]:
        """The keys that any run named that may still be published, ascending."""
        with self.reading() as connection:
            return holdings.select_keys_of(connection, UNFINISHED)

    def uploads(self, run: str) -> Sequence[Upload]:
        """The multipart uploads of a run that may be open."""
        with self.reading() as connection:
            return holdings.select_uploads(connection, run)

    def forget(self, run: str, keys: Iterable[str]) -> None:
        """Note that nothing is left in the destination under these keys."""
        keys = tuple(keys)
        with self.writing() as connection:
            holdings.delete_keys(connection, run, keys)
            forget_versions(connection, run, keys)

    def forget_all(self, run: str) -> None:
        """Note that nothing is left of a run that is over; unless its report is published, its folder is free again."""
        unpublished = and_(runs.c.id == run, runs.c.state != RunState.PUBLISHED)
        with self.writing() as connection:
            holdings.delete_all(connection, run)
            if connection.scalar(select(runs.c.id).where(unpublished)) is not None:
                forget_versions(connection, run)
                connection.execute(update(runs).where(unpublished).values(place=None))

    # -- transactions ------------------------------------------------------------------------------

    @contextmanager
    def _claimed(self, claim: Claim, **values: Any) -> Iterator[Connection]:
        """A transaction that takes place only while the claim lasts; it gives the run `values`."""
        with self.writing() as connection:
            held = connection.execute(
                update(runs)
                .where(runs.c.id == claim.run, runs.c.token == claim.token)
                .values(updated=self._now(), **values)
            )
            if held.rowcount != 1:
                raise RunStateError(
                    f"the run {claim.run} was taken up or given up by another process",
                    hint="see `stocktake runs`",
                )
            yield connection

    def _prune(self, connection: Connection) -> None:
        forget_old_versions(connection, self._now())
        over = select(runs.c.id).where(
            runs.c.state.not_in(UNFINISHED), ~exists().where(files.c.run == runs.c.id)
        )
        newest = over.order_by(runs.c.finished.desc()).limit(FINISHED_RUNS_MAX)
        old = runs.c.finished < self._now() - FINISHED_FOR_MAX
        connection.execute(
            delete(runs).where(runs.c.id.in_(over), or_(old, runs.c.id.not_in(newest)))
        )


def _spool(run: str, above: Path) -> str:
    """A JSON text: a path may be no UTF-8."""
    return json.dumps(str(above.absolute() / f"{SPOOL_PREFIX}{run}"))
