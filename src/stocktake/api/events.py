"""How far a run is, as server-sent events: one whenever that changes, `end` when the run is over.

https://html.spec.whatwg.org/multipage/server-sent-events.html
An event's id stands for what it says. Who connects again says the last one it had (Last-Event-ID) and hears nothing
twice; whoever had the `end` is answered 204, at which browsers stop asking. Streams are bounded: in number, for each
sender and altogether, and in time; a comment every HEARTBEAT_S keeps proxies from closing them, and shows who is gone.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from anyio import to_thread
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from stocktake.api.failures import RequestError
from stocktake.model.errors import LedgerError, NoSuchRunError
from stocktake.model.run_documents import RunDocument
from stocktake.model.scheduled import UNFINISHED_STATES

MEDIA_TYPE = "text/event-stream"
LOOK_EVERY_S = 1.0
HEARTBEAT_S = 10.0
STREAM_S_MAX = 900.0  # so that whose key is taken back hears no more, in the end
STREAMS_MAX = 100
STREAMS_OF_SENDER_MAX = 10
RETRY_MS = 2000  # how long browsers wait before they connect again

_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}  # nginx passes each on at once

WAIT_ANEW = "stocktake.wait_anew"  # in a request's scope: has the connection's patience begin anew


@dataclass(slots=True)
class Streams:
    """The streams that are open, by their senders. For one event loop."""

    stopping: Callable[[], bool]
    open: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def one_more(self, sender: str) -> Iterator[None]:
        """Count a stream while the block runs.

        Raises:
            RequestError: there are as many as there may be.
        """
        if self.open.total() >= STREAMS_MAX or self.open[sender] >= STREAMS_OF_SENDER_MAX:
            raise RequestError("SlowDown", "too many streams of events are open")
        self.open[sender] += 1
        try:
            yield
        finally:
            self.open[sender] -= 1
            if not self.open[sender]:
                del self.open[sender]


def event_of(run: RunDocument) -> tuple[str, str]:
    """The event that tells of a run, and its id."""
    data = run.model_dump_json()
    identity = hashlib.sha256(data.encode()).hexdigest()[:16]
    name = "progress" if run.state in UNFINISHED_STATES else "end"
    return f"event: {name}\nid: {identity}\ndata: {data}\n\n", identity


def is_over(run: RunDocument, last: str | None) -> bool:
    """Whether there is nothing more to tell to somebody who had the event `last`."""
    return run.state not in UNFINISHED_STATES and event_of(run)[1] == last


class RunEvents(Response):
    """The events of a run, as `look` finds it, to `sender`, who had the event `last`."""

    def __init__(
        self, look: Callable[[], RunDocument], streams: Streams, *, sender: str, last: str | None
    ) -> None:
        super().__init__()
        self._look = look
        self._streams = streams
        self._sender = sender
        self._last = last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, until the run is over or whoever asked is gone.

        Raises:
            RequestError: too many streams are open.
        """
        patience: Callable[[], None] = scope.get(WAIT_ANEW, lambda: None)
        with self._streams.one_more(self._sender):
            stream = StreamingResponse(
                self._events(patience), media_type=MEDIA_TYPE, headers=_HEADERS
            )
            await stream(scope, receive, send)

    async def _events(self, patience: Callable[[], None]) -> AsyncIterator[str]:
        clock, last = asyncio.get_running_loop().time, self._last
        begun = told = clock()
        yield f"retry: {RETRY_MS}\n\n"
        while clock() - begun < STREAM_S_MAX and not self._streams.stopping():
            try:
                run = await to_thread.run_sync(self._look)
            except NoSuchRunError:  # forgotten, long after it was over
                return
            except LedgerError:  # away for a while
                run = None
            event, identity = ("", last) if run is None else event_of(run)
            if identity != last:
                yield event
                last, told = identity, clock()
            elif clock() - told >= HEARTBEAT_S:
                yield ": still there\n\n"
                told = clock()
            if run is not None and run.state not in UNFINISHED_STATES:
                return
            patience()
            await asyncio.sleep(LOOK_EVERY_S)
