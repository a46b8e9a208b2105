"""Requests under way: what a transport hands to those who carry them, and what they bring back.

A transport decides what is sent when, and what becomes of an answer; a carrier speaks HTTP. What a carrier brings is
either an answer, whole, whatever its status, or the reason why none came, in libcurl's numbers, which `failures.py`
has a table for.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple, Protocol, TypeAlias

from stocktake.store.identity import Seal
from stocktake.store.requests import Answer, Request


class Exchange:
    """Requests under way together. Awaiting it gives their answers, in the order of the requests."""

    __slots__ = ("_answers", "unanswered")

    def __init__(self, count: int) -> None:
        self._answers: list[Answer | None] = [None] * count
        self.unanswered = count

    def answer(self, index: int, answer: Answer) -> bool:
        """Take in the answer to the request at `index`; whether it was the last one."""
        self._answers[index] = answer
        self.unanswered -= 1
        return not self.unanswered

    def answer_rest(self, answer: Answer) -> None:
        """Take in `answer` for all requests that have none."""
        self._answers = [answer if each is None else each for each in self._answers]
        self.unanswered = 0

    def answers(self) -> list[Answer]:
        """The answers; all of them once `unanswered` is 0."""
        return [answer for answer in self._answers if answer is not None]

    def __await__(self) -> Generator[Exchange, None, list[Answer]]:
        # Whoever drives the coroutine sees what it waits for, and goes on with it when that is answered.
        while self.unanswered:
            yield self
        return self.answers()


class Errand:
    """One request of an exchange under way. Who sends it sets how: `seal`, `target`, the path and query as they stand
    on the wire, `signature`, and `sent_at`, in seconds of the transport's monotonic clock.
    """

    __slots__ = (
        "corrections", "exchange", "index", "request", "seal", "sent_at", "signature", "target", "tries",
    )  # fmt: skip

    seal: Seal
    sent_at: float
    signature: str
    target: str

    def __init__(self, exchange: Exchange, index: int, request: Request) -> None:
        self.exchange, self.index, self.request = exchange, index, request
        self.tries = self.corrections = 0

    def __lt__(self, other: Errand) -> bool:
        return self.index < other.index


class Broken(NamedTuple):
    """Why no whole answer came: the status as far as one was seen, else 0; libcurl's number for what went wrong, 0
    where the answer ended inside its headers; and an explanation.
    """

    status: int
    code: int
    text: str


Arrival: TypeAlias = tuple[Errand, Answer | Broken]


class Carrier(Protocol):
    """Who takes requests to a store and brings the answers, many at a time. Nothing but `wait` waits."""

    def __len__(self) -> int:
        """How many errands are under way."""

    def send(self, errand: Errand) -> None:
        """Set out with `errand`. What becomes of it, be it that it cannot be sent at all, is told by `arrived`."""

    def push(self) -> None:
        """Let what was sent set out, without taking in what has arrived."""

    def arrived(self) -> list[Arrival]:
        """What has come of errands since the last time."""

    def wait(self, wait_s: float) -> None:
        """Wait until something may have arrived, but no longer than so many seconds."""

    def forget(self) -> None:
        """Give up all errands under way. Their connections are closed: answers would still be coming on them."""

    def close(self) -> None:
        """Forget what is under way, and close all connections."""
