"""The server itself: its life, what tests set up and ask, and who answers which request."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from tests.servers.fault_access import Access
from tests.servers.fault_actions import do_after, do_before
from tests.servers.fault_fixtures import Bucket, FixtureObject
from tests.servers.fault_listing import RecentPages, list_page
from tests.servers.fault_reading import NOT_IMPLEMENTED, read_bucket, read_object
from tests.servers.fault_rules import Action, Exchange, Rule, operations
from tests.servers.fault_values import (
    LISTINGS,
    BadTargetError,
    Request,
    Response,
    document,
    error,
    read_request,
)  # fmt: skip
from tests.servers.fault_wire import Connection
from tests.servers.fault_writing import WRITES, write_object
from tests.servers.fault_xml import element, http_date, result
from tests.servers.server import Server

LOG_ENTRIES_MAX = 200_000
HANDSHAKES_END_S = 0.1


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One request that was answered. `at` is in seconds of the monotonic clock; `faults` names the
    actions that befell it; `status` is the one that was sent, also where a reset kept it from
    arriving."""

    at: float
    operation: str
    method: str
    path: str
    query: str
    status: int
    faults: tuple[str, ...]


class FaultServer:
    """The server; a context manager, started on entering. All attributes and methods may be used
    from any thread while it runs.

    counts: requests by operation, those that a rule befell included.
    in_flight_max: the most requests that were ever being answered at one time.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        seed: int = 0,
        domains: tuple[str, ...] = ("localhost",),
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.access = Access()
        self.buckets: dict[str, Bucket] = {}
        self.counts: Counter[str] = Counter()
        self._log: deque[LogEntry] = deque(maxlen=LOG_ENTRIES_MAX)
        self.in_flight_max = 0
        self.endpoint_url = ""
        self._port, self._seed, self._domains, self._ssl = port, seed, domains, ssl_context
        self._rules: list[Rule] = []
        self._pages = RecentPages()
        self._connections: set[Connection] = set()
        self._in_flight = self._rules_made = 0
        self._lock = threading.RLock()
        self._date = (0, "")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    # life

    def start(self) -> Self:
        """Listen on 127.0.0.1; `endpoint_url` is known when this returns."""
        ready = threading.Event()
        failures: list[BaseException] = []

        def live() -> None:
            try:
                asyncio.run(self._serve(ready))
            except BaseException as failure:  # noqa: BLE001 - it is raised in the thread that asked
                failures.append(failure)
                ready.set()

        self._thread = threading.Thread(target=live, name="fault server", daemon=True)
        self._thread.start()
        ready.wait()
        if failures:
            raise failures[0]
        return self

    def stop(self) -> None:
        """Cut every connection and end."""
        if self._loop and self._ended and self._thread:
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        loop = self._loop
        listener = await loop.create_server(
            lambda: Connection(self, loop), "127.0.0.1", self._port, ssl=self._ssl, backlog=1024
        )
        port = listener.sockets[0].getsockname()[1]
        self.endpoint_url = f"{'https' if self._ssl else 'http'}://127.0.0.1:{port}"
        ready.set()
        await self._ended.wait()
        listener.close()
        for connection in list(self._connections):
            connection.abort()
        # One turn, so that what was aborted is told so before the loop ends; some more for handshakes, which are no
        # connections yet and end by what the client, who is gone, has sent last.
        await asyncio.sleep(HANDSHAKES_END_S if self._ssl else 0)
        await listener.wait_closed()

    # what a test sets up

    def bucket(self, name: str, objects: Iterable[FixtureObject] = (), **settings: Any) -> Bucket:
        """Make a bucket (or another in its place); `settings` are the keyword arguments of
        `Bucket`."""
        made = Bucket(name, objects, now=self.access.now, lock=self._lock, **settings)
        with self._lock:
            self.buckets[name] = made
        return made

    def bucket_named(self, name: str) -> Bucket:
        """The bucket of that name. Raises KeyError when there is none."""
        return self.buckets[name]

    def rule(
        self,
        action: Action,
        *,
        operation: str | Iterable[str] | None = None,
        method: str = "",
        bucket: str = "",
        key: str | None = None,
        prefix: str = "",
        where: Callable[[Request], bool] | None = None,
        nth: int | Iterable[int] = (),
        every: int = 1,
        after: int = 0,
        times: int | None = None,
        probability: float = 1.0,
        per_target: bool = False,
    ) -> Rule:
        """Let `action` befall the requests that match; see `Rule` for what each argument means."""
        with self._lock:
            self._rules_made += 1
            numbers = frozenset((nth,) if isinstance(nth, int) else nth)
            seed = self._seed * 1000 + self._rules_made
            rule = Rule(
                action, operations(operation), method, bucket, key, prefix, where, numbers, every,
                after, times, probability, per_target, seed,
            )  # fmt: skip
            self._rules.append(rule)
        return rule

    def clear_rules(self) -> None:
        """End all rules."""
        with self._lock:
            self._rules.clear()

    def after_page(self, number: int, action: Callable[[], object], *, bucket: str = "") -> Rule:
        """Do `action()` right after page `number` (1 is the first) of any LIST was made."""
        return self.rule(do_after(action), operation="List", bucket=bucket, nth=number)

    def before_head(self, key: str, action: Callable[[], object], *, bucket: str = "") -> Rule:
        """Do `action()` right before the first HEAD of `key` is answered."""
        return self.rule(do_before(action), operation="HeadObject", bucket=bucket, key=key, times=1)

    def require(
        self, access_keys: Iterable[str] | None, tokens: Iterable[str] | None = None
    ) -> None:
        """Accept these access keys alone (else 403 InvalidAccessKeyId; unsigned: AccessDenied),
        and, where `tokens` is given, these session tokens alone (else 400 InvalidToken)."""
        self.access.access_keys = None if access_keys is None else frozenset(access_keys)
        self.access.tokens = None if tokens is None else frozenset(tokens)

    def expire_token(
        self, token: str, *, after_requests: int | None = None, after_s: float | None = None
    ) -> None:
        """Let the session token `token` be ExpiredToken (400; a HEAD without body) after that many
        more requests that bear it, or that many seconds, whichever comes first. Other tokens stay
        valid."""
        self.access.expire(token, after_requests=after_requests, after_s=after_s)

    def issue(self, access_key: str, secret_key: str, token: str) -> str:
        """Let GET /.fault/credentials give these from now on, as a container's credential endpoint
        does. Returns its address, for AWS_CONTAINER_CREDENTIALS_FULL_URI."""
        self.access.issued = {
            "AccessKeyId": access_key,
            "SecretAccessKey": secret_key,
            "Token": token,
        }
        return f"{self.endpoint_url}/.fault/credentials"

    def skew_clock(self, offset_s: float) -> None:
        """Set the server's clock `offset_s` ahead, and refuse what is signed more than 15 minutes
        away from it."""
        self.access.clock_offset_s, self.access.clock_checked = offset_s, True

    # what a test asks

    def reset_counts(self) -> None:
        """Forget what was counted and logged."""
        with self._lock:
            self.counts.clear()
            self._log.clear()
            self.in_flight_max = 0

    @property
    def log(self) -> list[LogEntry]:
        """The last 200,000 requests, as far as they had come when this was asked."""
        with self._lock:
            return list(self._log)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def as_server(self) -> Server:
        """What tests know of any server: address and two users."""
        return Server(self.endpoint_url, "fault", "faultsecret", "other", "othersecret")

    def client(self, **config: Any) -> Any:
        """A boto3 S3 client for it."""
        return self.as_server().client(**config)

    def environment(self) -> dict[str, str]:
        """The AWS_* variables with which a command line reaches it."""
        return self.as_server().environment()

    # what connections call

    def opened(self, connection: Connection) -> None:
        """Note a connection."""
        self._connections.add(connection)

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)

    def finished(self) -> None:
        """Note that an answer is complete, or never will be."""
        self._in_flight -= 1

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Response:
        """The answer to one request, counted and logged."""
        with self._lock:
            self._in_flight += 1
            self.in_flight_max = max(self.in_flight_max, self._in_flight)
            try:
                request = read_request(method, target, headers, body, self._domains)
            except BadTargetError:
                return error(400, "InvalidURI", "Couldn't parse the specified URI.")
            if request.bucket == ".fault":
                return self._control(request)
            self.counts[request.operation] += 1
            rules = [rule for rule in self._rules if rule.strikes(request)]
            response = self._exchange(request, [rule.action for rule in rules])
            path, _, query = request.target.partition("?")
            faults = tuple(rule.action.name for rule in rules)
            at = self.access.monotonic()
            self._log.append(
                LogEntry(at, request.operation, method, path, query, response.status, faults)
            )
            return response

    def _exchange(self, request: Request, actions: list[Action]) -> Response:
        exchange = Exchange(self, request)
        exchange.response = self.access.refusal(request, self.buckets.get(request.bucket))
        for action in actions:
            if action.before:
                action.before(exchange)
        if exchange.response is None:
            exchange.response = self._ask(exchange)
        exchange.response.headers.setdefault("Date", self._http_date())
        exchange.response.headers.setdefault("x-amz-request-id", "fault")
        for action in actions:
            if action.after:
                action.after(exchange)
        return exchange.answer

    def _ask(self, exchange: Exchange) -> Response:
        """The bucket's own answer."""
        request = exchange.request
        if request.operation == "ListBuckets":
            inner = "".join(
                f"<Bucket>{element('Name', name)}</Bucket>" for name in sorted(self.buckets)
            )
            return document(result("ListAllMyBucketsResult", f"<Buckets>{inner}</Buckets>"))
        if request.operation == "CreateBucket":
            if request.bucket not in self.buckets:
                self.bucket(request.bucket)
            return Response(200, {"Location": f"/{request.bucket}"})
        bucket = self.buckets.get(request.bucket)
        if bucket is None:
            return error(
                404,
                "NoSuchBucket",
                "The specified bucket does not exist",
                BucketName=request.bucket,
            )
        return self._ask_bucket(bucket, exchange)

    def _ask_bucket(self, bucket: Bucket, exchange: Exchange) -> Response:
        request, ignored = exchange.request, exchange.quirks.subresource_ignored
        if request.operation in LISTINGS or (
            ignored and request.method == "GET" and not request.key
        ):
            return list_page(bucket, request, exchange.quirks, self._pages)
        if request.operation in WRITES:
            return write_object(bucket, request, self.access.now)
        if request.method in {"GET", "HEAD"}:
            if request.key:
                return read_object(
                    bucket, request, subresource="" if ignored else request.subresource
                )
            return read_bucket(bucket, request)
        # DELETE of a sub-resource that is not known deletes the bucket: so do five real stores out
        # of six.
        if request.method == "DELETE" and not request.key:
            return self._delete_bucket(bucket)
        return error(501, "NotImplemented", NOT_IMPLEMENTED)

    def _delete_bucket(self, bucket: Bucket) -> Response:
        if next(bucket.seek(""), None) is not None:
            return error(409, "BucketNotEmpty", "The bucket you tried to delete is not empty")
        del self.buckets[bucket.name]
        return Response(204)

    def _control(self, request: Request) -> Response:
        headers = {"Content-Type": "application/json"}
        if request.key == "counts":
            return Response(200, headers, json.dumps(self.counts).encode())
        if request.key == "log":
            entries = [
                [entry.operation, entry.method, entry.path, entry.query, entry.status]
                for entry in self.log
            ]
            return Response(200, headers, json.dumps(entries).encode())
        if request.key == "credentials":
            return Response(
                200, headers, self.access.credentials(self.access.now() + timedelta(hours=6))
            )
        if request.key == "clear" and request.method == "POST":
            self.clear_rules()
            return Response(204)
        return error(404, "NoSuchKey", "No such control")

    def _http_date(self) -> str:
        second = int(self.access.clock() + self.access.clock_offset_s)
        if second != self._date[0]:
            self._date = (second, http_date(self.access.now()))
        return self._date[1]
