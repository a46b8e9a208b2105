"""Secrets that stand in URLs, taken out of what people see: one place for errors, logs, settings and answers. Pure."""

from __future__ import annotations

import re

MASK = "***"

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<rest>[^\s`'\"<>]+)", re.IGNORECASE)
_KEYS = ("s3", "file")  # behind these stand keys and paths, which may look like anything
_WEB = ("http", "https", "socks4", "socks5", "socks5h")
# Up to the last @ before the path; what stands behind a colon and is no port is a password, whatever it holds. A user
# without a password may be a token.
_WEB_USER = re.compile(r"[^/?#]*@|[^/?#:@\[]*:(?!\d*(?:[/?#]|$)).*@")
# A database takes any character but @ in a password. Whoever wrote one nonetheless has the rest of it for a host.
_PASSWORD = re.compile(r"(?<=:)[^@]*(?:@[^@?#]*)*(?=@)")
_PARAMETER = re.compile(
    r"(?<=[?&;])([^=&;#]*(?:pass|pwd|secret|token|credential|signature|(?<![a-z])sig(?![a-z])|api_?key|access_?key)[^=&;#]*=)[^&;#]*",
    re.IGNORECASE,
)


def without_secrets(text: str) -> str:
    """`text`, in which every URL has MASK where a password, a token or a signature stands."""
    return _URL.sub(_masked, text) if "://" in text else text


def _masked(url: re.Match[str]) -> str:
    scheme, rest = url["scheme"], url["rest"]
    if scheme.lower() in _KEYS:
        return url[0]
    if scheme.lower() in _WEB:
        user = _WEB_USER.match(rest)
        rest = rest if user is None else f"{MASK}@{rest[user.end() :]}"
    else:
        rest = _PASSWORD.sub(MASK, rest, count=1)
    return f"{scheme}://" + _PARAMETER.sub(rf"\1{MASK}", rest)
