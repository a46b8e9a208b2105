"""The errors of the S3 Inventory API as AWS documents them or was recorded with, row by row: status, code, message.

Two rows cannot be provoked, because there are no directory buckets here: 501 NotImplemented for an expected owner of
one, and the InvalidArgument of a PUT that was taken for CreateBucket.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from stocktake.model.access import AccessKey
from stocktake.model.stored import CONFIGURATIONS_PER_BUCKET_MAX
from tests.api.serving import ADMIN, READER, WRITER, Api, destination, document
from tests.state.ledgers import fill_ledger

NO_CONFIGURATION = (404, "NoSuchConfiguration", "The specified configuration does not exist.")
MISMATCH = (400, "IdMismatch", "Document ID does not match the specified configuration ID.")
NO_ARN = (400, "InvalidS3DestinationBucket", "Invalid bucket ARN.")
MALFORMED = (
    400,
    "MalformedXML",
    "The XML you provided was not well-formed or did not validate against our published schema",
)
ARGUMENT = (400, "InvalidArgument", "Invalid Argument")
TOO_MANY = (
    400,
    "TooManyConfigurations",
    "You are attempting to create a new configuration but have already reached the 1,000-configuration limit.",
)
DENIED = (403, "AccessDenied", "Access Denied")
NO_BUCKET = (404, "NoSuchBucket", "The specified bucket does not exist")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table: what is answered when. `bucket` is asked where it is not the one that is there; `before` is
    done first.
    """

    when: str
    answer: tuple[int, str, str]
    method: str
    name: str | None = "report1"
    body: bytes = b""
    key: AccessKey | None = ADMIN
    bucket: str = ""
    before: Callable[[Api, str], object] = lambda _api, _bucket: None


def _put_and_deleted(api: Api, bucket: str) -> None:
    for method, status in (("PUT", 204), ("DELETE", 204)):
        assert api.ask(method, f"/{bucket}?inventory&id=report1", document()).status == status


def _full(api: Api, bucket: str) -> None:
    names = [f"{number:04}" for number in range(CONFIGURATIONS_PER_BUCKET_MAX)]
    fill_ledger(api.state_folder, "default", bucket, names)


def _fields(*names: str) -> str:
    return f"<OptionalFields>{''.join(f'<Field>{name}</Field>' for name in names)}</OptionalFields>"


HOURLY = "<Schedule><Frequency>Hourly</Frequency></Schedule>"
SOME = "<IncludedObjectVersions>Some</IncludedObjectVersions>"
REQUIRED = ("Id", "IsEnabled", "Destination", "Schedule", "IncludedObjectVersions")
MALFORMED_BODIES = {
    "a bad Format": document(Destination=destination(form="parquet")),
    "a bad Frequency": document(Schedule=HOURLY),
    "bad IncludedObjectVersions": document(IncludedObjectVersions=SOME),
    "a bad OptionalFields value": document(OptionalFields=_fields("Size", "Tags")),
    "an unknown element": document(More="<Unknown/>"),
    "not well-formed": document()[:-5],
    **{f"no {name}": document(**{name: ""}) for name in REQUIRED},
}
EVERYTHING = (("PUT", document()), ("GET", b""), ("DELETE", b""))
TABLE = (
    Row("GET of an unknown id", NO_CONFIGURATION, "GET"),
    Row("DELETE of an unknown id", NO_CONFIGURATION, "DELETE"),
    Row("DELETE of a deleted id", NO_CONFIGURATION, "DELETE", before=_put_and_deleted),
    Row("another Id in the body", MISMATCH, "PUT", body=document("report2")),
    Row("a name for an ARN", NO_ARN, "PUT", body=document(Destination=destination("dest"))),
    *(Row(when, MALFORMED, "PUT", body=body) for when, body in MALFORMED_BODIES.items()),
    Row("an Id that is a path", ARGUMENT, "PUT", "a/b", body=document("a/b")),
    *(Row(f"a destination's prefix {prefix}", ARGUMENT, "PUT",
          body=document(Destination=destination(more=f"<Prefix>{prefix}</Prefix>")))
      for prefix in ("..", "../other", "a/../b", "a/.", "./a")),
    Row("PUT without an id", ARGUMENT, "PUT", None, body=document()),
    Row("one more than 1,000", TOO_MANY, "PUT", body=document(), before=_full),
    *(Row(f"unsigned {how}", DENIED, how, body=body, key=None) for how, body in EVERYTHING),
    Row("a reader's PUT", DENIED, "PUT", body=document(), key=READER),
    Row("a reader's DELETE", DENIED, "DELETE", key=READER),
    *(Row(f"not covered {how}", DENIED, how, body=body, key=WRITER, bucket="other")
      for how, body in EVERYTHING),
    *(Row(f"no bucket {how}", NO_BUCKET, how, body=body, bucket="no-such-bucket")
      for how, body in EVERYTHING),
    Row("no bucket LIST", NO_BUCKET, "GET", None, bucket="no-such-bucket"),
)  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.when)
def test_every_row_of_awss_table_is_answered_by_its_status_code_and_message(
    api: Api, bucket: str, row: Row
) -> None:
    row.before(api, bucket)
    name = "" if row.name is None else f"&id={row.name.replace('/', '%2F')}"
    target = f"/{row.bucket or bucket}?inventory{name}"
    assert api.ask(row.method, target, row.body, key=row.key).error == row.answer
