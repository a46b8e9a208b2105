"""Text as S3 stores write it: XML with its escapes, keys in their several encodings, moments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from urllib.parse import quote, quote_plus

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
ERROR_CONTENT = "application/xml"

_SPECIAL = re.compile('[&<>"\x00-\x08\x0b-\x1f\x7f\ufffe\uffff\r]')
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
_PLAIN = re.compile(r"[A-Za-z0-9_./-]*")


def escaped(text: str) -> str:
    """Text for an element. What XML 1.0 cannot carry becomes a character reference all the same, as
    stores do it: the document is then ill-formed, which is the trap."""
    return _SPECIAL.sub(lambda found: _NAMED.get(found[0]) or f"&#x{ord(found[0]):x};", text)


def encoded_as_aws(key: str) -> str:
    """`encoding-type=url` as AWS writes it: space `+`, `~` encoded, `/` and `*` bare."""
    return key if _PLAIN.fullmatch(key) else quote_plus(key, safe="/*").replace("~", "%7E")


def encoded_as_ceph(key: str) -> str:
    """`encoding-type=url` as Ceph writes it: space `%20`, `/` encoded, `*|()'` bare."""
    return quote(key, safe="*|()'~")


def encoded_slash(key: str) -> str:
    """AWS's encoding but for the slash, which becomes `%2F`."""
    return encoded_as_aws(key).replace("/", "%2F")


def iso(moment: datetime) -> str:
    """A moment in UTC with milliseconds, as listings hold it."""
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


@lru_cache(4096)
def http_date(moment: datetime) -> str:
    """A moment in UTC as HTTP headers hold it."""
    return format_datetime(moment, usegmt=True)


def element(name: str, text: str) -> str:
    """`<name>text</name>`, escaped."""
    return f"<{name}>{escaped(text)}</{name}>"


def elements(**members: object) -> str:
    """`<name>text</name>` for each, one after the other."""
    return "".join(element(name, str(value)) for name, value in members.items())


def result(root: str, content: str) -> bytes:
    """A whole document of S3's namespace around `content`, which is XML already."""
    return f'{DECLARATION}<{root} xmlns="{NAMESPACE}">{content}</{root}>'.encode()


def error_document(code: str, message: str, members: Mapping[str, str]) -> bytes:
    """S3's error document, which has no namespace."""
    inner = elements(Code=code, Message=message, **members, RequestId="fault", HostId="fault")
    return f"{DECLARATION}<Error>{inner}</Error>".encode()
