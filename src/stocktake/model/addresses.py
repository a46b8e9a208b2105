"""Where users say a bucket, a report or a folder is: `s3://bucket[/prefix]`, `file:///folder` or a path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from stocktake.model.configuration import valid_bucket_name
from stocktake.model.errors import AddressError


@dataclass(frozen=True, slots=True)
class S3Address:
    """A bucket and a key or prefix in it, which may be empty."""

    bucket: str
    key: str = ""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}" if self.key else f"s3://{self.bucket}"


@dataclass(frozen=True, slots=True)
class LocalAddress:
    """An absolute path on this machine."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


Address = S3Address | LocalAddress


def parse_s3_address(text: str) -> S3Address:
    """The bucket and prefix in `s3://bucket[/prefix]`; the prefix is taken as it stands, never decoded.

    Raises:
        AddressError: another form, or a name no bucket has, such as an ARN.
    """
    if not text.startswith("s3://"):
        way_out = (
            "a bucket ARN belongs into a configuration; here it is s3://NAME"
            if text.startswith("arn:")
            else ""
        )
        raise AddressError(
            f"`{text}` is no bucket address; expected s3://bucket[/prefix]", hint=way_out
        )
    bucket, _, key = text.removeprefix("s3://").partition("/")
    if not valid_bucket_name(bucket):
        raise AddressError(
            f"`{text}` names no bucket: found `{bucket}`; expected s3://bucket[/prefix]",
            hint="give the bucket's plain name, not its ARN" if bucket.startswith("arn:") else "",
        )
    return S3Address(bucket, key)


def parse_address(text: str, *, folder: Path) -> Address:
    """The S3 address or the path that `text` is; a relative path starts at `folder`.

    Raises:
        AddressError: a scheme other than s3 and file, an ARN, a file URL that names another machine, or nothing at all.
    """
    if text.startswith(("s3://", "arn:")):
        return parse_s3_address(text)
    if text.startswith("file:"):
        parts = urlsplit(text)
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise AddressError(f"`{text}` is no local folder; expected file:///folder")
        return LocalAddress(Path(unquote(parts.path)))
    if "://" in text or not text:
        raise AddressError(
            f"`{text}` is no address; expected s3://bucket[/prefix], file:///folder or a path"
        )
    return LocalAddress(folder / Path(text).expanduser())
