"""What probing found, in words. Keys come from outside, so they are made printable and short."""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

from stocktake.store.headers import header_text, read_headers
from stocktake.store.probe_pages import ProbedPage

SHOWN_LENGTH_MAX = 40
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
# Headers of HTTP and of the way there, which tell nothing of the object.
_TRANSPORT_HEADERS = re.compile(
    r"accept-ranges|access-control-.*|connection|content-length|date|keep-alive|server|strict-transport-security"
    r"|transfer-encoding|vary|via|x-amz-id-2|x-amzn?-request-?id|x-amz-content-sha256"
)


def shown(key: str) -> str:
    """A key between backticks."""
    text = key if key.isprintable() else ascii(key)[1:-1]
    return f"`{text}`" if len(text) <= SHOWN_LENGTH_MAX else f"`{text[:SHOWN_LENGTH_MAX]}…`"


def shown_first(key: str | None) -> str:
    """The first key of a page, or that it has none."""
    return "nothing" if key is None else shown(key)


def shown_version(version: tuple[str, str] | None) -> str:
    """A key and a version of it, or that there is none."""
    return "nothing" if version is None else f"{shown(version[0])} version {shown(version[1])}"


def counted(number: int, noun: str) -> str:
    """A number of things: `1 key`, `2 keys`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def skew(seconds: float) -> str:
    """How far a clock is from this one."""
    return f"it is {abs(seconds):.1f} s {'ahead' if seconds >= 0 else 'behind'}, give or take one"


def order(keys: list[str]) -> str:
    """What a page says of the order, where its keys ascend."""
    evidence = f"{len(keys)} keys ascend"
    if any(character > "\uffff" for key in keys for character in key):
        return evidence
    return f"{evidence}; none has a character that UTF-16 would sort elsewhere"


def spelling(page: ProbedPage, asked: str) -> str:
    """What of the keys on a page that was asked for behind `asked` is percent-encoded, and what is not."""
    if not page.listing.url_encoded:
        return "EncodingType is not echoed"
    echo = page.listing.member("StartAfter")
    echo_encoded = echo != asked and unquote_plus(echo) == asked
    raw = "".join(page.raw_keys()) + (echo if echo_encoded else "")
    facts = ["EncodingType is echoed"]
    facts += [f"{name} is `{text}`" for name, text in _SPELT.items() if text in raw]
    bare = sorted({c for c in _ESCAPE.sub("", raw) if not c.isalnum() and c not in "+-_."})
    facts += [f"bare are `{''.join(bare)}`"] if bare else []
    facts += ["StartAfter is echoed as it was sent"] if asked and echo == asked else []
    return "; ".join(facts)


# How stores are known to differ.
_SPELT = {"a slash": "%2F", "a space": "+", "a space or two": "%20", "a tilde": "%7E"}


def object_headers(raw: bytes) -> str:
    """The names of the headers that tell something of an object."""
    names = sorted(header_text(name) for name in read_headers(raw))
    told = [name for name in names if _TRANSPORT_HEADERS.fullmatch(name) is None]
    return f"with {', '.join(told)}" if told else "with no header of interest"
