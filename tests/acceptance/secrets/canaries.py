"""Secrets that a test gives out, each of which tells where it was seen; and everything in which one might be seen."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from stocktake.model.access import AccessKey, Grant, Role
from tests.acceptance.command_line import Outcome, stocktake
from tests.acceptance.killing import descendants_of
from tests.api.serving import Answer, Api, document, signed
from tests.servers.fault import FaultServer, synthetic
from tests.service.worker_runs import REPORTS, SOURCE

# What of them is asked for: with signs that are written otherwise in URLs, JSON and base64.
_TAIL = "+hush/7"


def canary(name: str) -> str:
    """A secret that nothing else has within it."""
    return f"canary-{name}-{zlib.crc32(name.encode()):08x}{_TAIL}"


def webhook_secret(name: str) -> str:
    """One that is of the form of a webhook's."""
    return f"whsec_{base64.b64encode(canary(name).encode().ljust(32, b'.')).decode()}"


def forms(secret: str) -> set[bytes]:
    """How a secret may be written: as it is, percent-encoded, or in base64."""
    plain = secret.encode()
    # Within a longer text, base64 begins at any of three places; what stands in the middle is the same.
    shifted = {base64.b64encode(b" " * n + plain)[4:-4] for n in range(3)}
    urls = {quote(secret, safe=safe).encode() for safe in ("", "/", "+/")}
    if secret.startswith("whsec_"):
        inside = base64.b64decode(secret.removeprefix("whsec_")).rstrip(b".")
        return {plain, plain.removeprefix(b"whsec_"), inside, *urls}
    return {plain, plain.removesuffix(_TAIL.encode()), *urls, *shifted}


def seen(secrets: Mapping[str, str], places: Mapping[str, bytes]) -> list[tuple[str, str, bytes]]:
    """Which secret stands in which place, and what stands around it."""
    found = []
    for name, secret in secrets.items():
        for form in forms(secret):
            for place, text in places.items():
                at = text.find(form)
                if at >= 0:
                    found.append((name, place, text[max(0, at - 80) : at + len(form) + 40]))
    return found


def files_in(folder: Path, but: Iterable[str] = ()) -> Iterator[tuple[str, bytes]]:
    """Every file below `folder`, but those of the names `but`, which are where secrets lie."""
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in but:
            yield str(path), path.read_bytes()


def arguments_of(pid: int) -> dict[str, bytes]:
    """The arguments of a process, and of all that it has started, as anybody on this machine may see them."""
    found = {}
    for each in {pid, *descendants_of(pid)}:
        try:
            found[f"arguments of {each}"] = Path(f"/proc/{each}/cmdline").read_bytes()
        except OSError:
            continue  # it is gone
    return found


# -- who has them, and what is heard ---------------------------------------------------------------

USER = AccessKey("USERSKEY", Grant(Role.ADMIN, ("*",)), "alice", canary("user"))
HIDDEN = ("keys.json", "tokens.json")  # where secrets lie, for the service's user alone
# What stores answer to a signature that they do not like, with all that they like to quote.
REFUSAL = """<Error><Code>SignatureDoesNotMatch</Code><Message>The signature does not match</Message>
<AWSAccessKeyId>fault</AWSAccessKeyId><Token-0>{token}</Token-0><StringToSign>x-amz-security-token:{token}</StringToSign>
</Error>"""


@dataclass(slots=True)
class Told:
    """All that was told, by what told it; and the secrets that none of it may hold."""

    secrets: dict[str, str]
    places: dict[str, bytes] = field(default_factory=dict)

    def heard(self, what: str, text: str | bytes) -> None:
        self.places[f"{what} ({len(self.places)})"] = (
            text.encode() if isinstance(text, str) else text
        )

    def command(self, *words: str | Path, environment: Mapping[str, str]) -> Outcome:
        done = stocktake(*words, environment=environment)
        self.heard(" ".join(map(str, words)), done.out + done.err)
        return done

    def ask(self, url: str, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
        said = {"Host": urlsplit(url).netloc} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        answer = Api(url, Path(), Path()).send(method, target, body, said)
        lines = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
        self.heard(f"{method} {target.partition('?')[0]}", lines.encode() + b"\n" + answer.body)
        return answer

    def signed(self, url: str, method: str, target: str, body: bytes = b"") -> Answer:
        said = signed(method, target, body, {"Host": urlsplit(url).netloc}, USER)
        self.secrets[f"signature {len(self.secrets)}"] = said["Authorization"].rpartition("=")[2]
        answer = Api(url, Path(), Path()).send(method, target, body, said)
        self.heard(f"{method} {target}", answer.body)
        return answer


@contextmanager
def choosy_store() -> Iterator[FaultServer]:
    """A store with a bucket to list and one for reports, that takes the session's token and no other."""
    with FaultServer() as server:
        server.bucket(SOURCE, generated=synthetic(300, "{:05d}".format))
        server.bucket(REPORTS)
        server.require(["fault"], [canary("session")])
        yield server


def told_nothing() -> Told:
    """Every secret, and nothing heard yet."""
    names = ("store", "session", "ledger", "metrics", "user", "path")
    return Told({name: canary(name) for name in names} | {"webhook": webhook_secret("webhook")})


def environment_of(store: FaultServer, told: Told, state: Path) -> dict[str, str]:
    """The variables of a service that has all these secrets, and shows tracebacks."""
    return {
        **store.environment(),
        "AWS_SECRET_ACCESS_KEY": told.secrets["store"],
        "AWS_SESSION_TOKEN": told.secrets["session"],
        "STOCKTAKE_STATE_FOLDER": str(state),
        "STOCKTAKE_METRICS_TOKEN": told.secrets["metrics"],
        "STOCKTAKE_DEBUG": "1",
        "HOOK": told.secrets["webhook"],
    }


def refused(told: Told) -> bytes:
    return REFUSAL.format(token=told.secrets["session"]).encode()


def configuration(name: str) -> bytes:
    where = (
        "<Destination><S3BucketDestination>"
        f"<Bucket>arn:aws:s3:::{REPORTS}</Bucket><Format>CSV</Format>"
        "</S3BucketDestination></Destination>"
    )
    return document(name, Destination=where)
