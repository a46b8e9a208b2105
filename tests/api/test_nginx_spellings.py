"""Every way of writing ?inventory that a store may read so: none of them reaches it.

What a store reads is asked of itself, by another sub-resource, `location`, which all of them know. Nothing is signed: a
signature would have to hold for what each side takes the query for. So the bucket is everybody's.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from stocktake.api.requests import is_about_inventory
from tests.api.front import Front
from tests.servers.nginx import CONFIGURATION
from tests.servers.server import Server

WORD = "inventory"
KNOWN = "location"  # to every store
STORES = ("ceph_server", "moto_server")
# How else a word is written: @ stands for it, ~ for its first letter percent-encoded, and the rest of it.
SPELLINGS = (
    "@+", "+@", "@%20", "%20@", "@;", ";@", "a;@", "@;id=report1", "@%3B", "@%00", "%00@", "@%00x", "@%0A",
    "@%0d%0a", "%09@", "@%", "@%2", "@%zz", "@%u0020", "@/", "/@", "?@", "??@", "a?@", "#@", "a#&@", "@%23",
    "@%26", "%26@", "@%3D", "@%3D1", "@[]", "@%5B%5D", "@:", "@,", "@%25", "%25@", "@%C2%A0",
    "\u00ef\u00bb\u00bf@", "%EF%BB%BF@", "@\u00a0", "@+=", "@+=true", "@%20&id=report1", "id=report1&@+",
    "id=report1&@%20=", "@2&@+", "~", "~+", "%25~", "x=1&%20~&@2", "&&@+", "=&@+",
)  # fmt: skip
RANDOM = 300
PIECES = [
    "@",
    "~",
    "@",
    "&",
    "=",
    ";",
    "+",
    "%",
    "%2",
    "%20",
    "%00",
    "%25",
    "?",
    "#",
    "a",
    "1",
    "-",
    "%zz",
    "%3D",
    "/",
    ".",
]


def written(spelling: str, word: str) -> str:
    """The spelling of that word."""
    return spelling.replace("@", word).replace("~", f"%{ord(word[0]):02x}{word[1:]}")


def upper(spelling: str) -> str:
    """It, with the word in capitals."""
    return spelling.replace("@", WORD.upper()).replace("~", f"%{ord('I'):02x}{WORD[1:].upper()}")


def everybodys(store: Server, bucket: str) -> None:
    """Make a bucket that anybody may read and delete."""
    client = store.client()
    client.create_bucket(Bucket=bucket)
    names = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    allowed = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": names}
    policy = {"Version": "2012-10-17", "Statement": [allowed]}
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def taken(front: Front, bucket: str, spellings: Sequence[str]) -> list[str]:
    """Those by which the store itself is asked for the location of a bucket."""
    found = []
    for spelling in spellings:
        target = f"/{bucket}?{written(spelling, KNOWN)}"
        _, body = front.knock("GET", target, at=front.behind.endpoint_url)
        if b"<LocationConstraint" in body:
            found.append(spelling)
    return found


def random_spellings() -> list[str]:
    """Spellings put together at random, the same ones each time."""
    rng = random.Random(20261127)
    return ["".join(rng.choices(PIECES, k=rng.randint(1, 6))) for _ in range(RANDOM)]


@pytest.mark.server
@pytest.mark.parametrize("front", STORES, indirect=True)
def test_no_spelling_that_the_store_reads_as_the_sub_resource_reaches_it(
    front: Front, buckets: Callable[..., str]
) -> None:
    bucket = buckets("spelled")
    everybodys(front.behind, bucket)
    read_so = taken(front, bucket, ["@", *SPELLINGS, *random_spellings()])
    assert "@" in read_so
    assert len(read_so) > 10  # this asks for something
    front.stop_service()
    for spelling in [*read_so, *SPELLINGS, *map(upper, SPELLINGS)]:
        for method in ("DELETE", "PUT", "GET"):
            status, _ = front.knock(method, f"/{bucket}?{written(spelling, WORD)}")
            assert status in (400, 502), (method, spelling, status)
    for path in ("%3Finventory", "%3finventory=&id=a", "%23?inventory", "/%3Finventory"):
        front.knock("DELETE", f"/{bucket}{path}")  # the name of another bucket, or of an object
    front.behind.client().head_bucket(Bucket=bucket)


@pytest.mark.server
@pytest.mark.parametrize("front", STORES, indirect=True)
def test_a_store_takes_almost_every_spelling_for_the_deletion_of_the_bucket(
    front: Front, buckets: Callable[..., str]
) -> None:
    """Why they are refused: this is what would happen."""
    bucket = buckets("premise")
    everybodys(front.behind, bucket)
    status, _ = front.knock("DELETE", f"/{bucket}?inventory+", at=front.behind.endpoint_url)
    assert status == 204
    with pytest.raises(ClientError, match="404"):
        front.behind.client().head_bucket(Bucket=bucket)


@pytest.mark.server
def test_a_spelling_that_is_not_quite_right_is_told_as_s3_tells_it(
    front: Front, buckets: Callable[..., str]
) -> None:
    bucket = buckets("told")
    status, body = front.knock("DELETE", f"/{bucket}?inventory+&id=report1")
    assert status == 400
    assert b"<Code>InvalidArgument</Code>" in body
    # What is not S3's, but stocktake's, is nobody's to ask for here.
    for query in ("?inventory", "Inventory", "a#&inventory"):
        assert front.knock("GET", f"/metrics?{query}")[0] == 400


# -- what the map decides, by its own expressions -------------------------------------------------

[(_, _EXACT, _), (_, _SAFE, _)] = re.findall(
    r'"~(\*?)\(\?x\)((?:[^"\\]|\\.)*)" (s3_\w+);', CONFIGURATION.read_text()
)
ABOUT = re.compile(_EXACT.encode(), re.VERBOSE)
NOT_ABOUT = re.compile(_SAFE.encode(), re.VERBOSE | re.IGNORECASE)


@given(st.lists(st.sampled_from([*PIECES, "I", "nventory", "&id=a", "%49", "%2569"]), max_size=8))
def test_what_goes_to_the_service_is_about_inventories_and_nothing_else_is(
    pieces: list[str],
) -> None:
    query = written("".join(pieces), WORD).encode("latin-1")
    target = b"/metrics?" + query
    seen = {"query_string": query.partition(b"#")[0]}  # by a server
    if ABOUT.search(target):
        assert is_about_inventory(seen)
    elif NOT_ABOUT.search(target):
        assert not is_about_inventory(seen)
        assert not is_about_inventory({"query_string": query})  # by who knows no fragments


@pytest.mark.parametrize("length", [8_000, 32_000])
def test_a_long_query_is_told_from_one_about_inventories(length: int) -> None:
    for piece in (b"%00", b"&", b"&a", b"%25", b";+"):
        target = b"/b?" + piece * (length // len(piece))
        assert NOT_ABOUT.search(target)
        assert not NOT_ABOUT.search(target + b"&inventory+")
