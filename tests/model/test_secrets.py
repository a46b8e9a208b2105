"""No URL that is shown holds a secret, whoever wrote it and wherever it is quoted."""

from __future__ import annotations

import pickle

import pytest

from stocktake.model.errors import InventoryError, LedgerError
from stocktake.model.secrets import without_secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:hush@db:5432/x", "postgresql://me:***@db:5432/x"),
        ("postgresql://me:hu@s@h@db:5432/x", "postgresql://me:***@db:5432/x"),
        ("postgresql://me:hu@s/h@db/x", "postgresql://me:***@db/x"),
        ("postgresql://me:hu/s@h@db/x?user=a@b", "postgresql://me:***@db/x?user=a@b"),
        ("postgresql+psycopg://me:hu/s?h#@db/x", "postgresql+psycopg://me:***@db/x"),
        ("postgresql://me@db/x?password=hush&sslmode=require", "postgresql://me@db/x?password=***&sslmode=require"),
        ("postgresql:///x?sslPassword=hush", "postgresql:///x?sslPassword=***"),
        ("postgresql://[::1]:5432/x", "postgresql://[::1]:5432/x"),
        ("http://me:hush@proxy:3128", "http://***@proxy:3128"),
        ("https://me:hu@sh@h/a@b", "https://***@h/a@b"),
        ("http://me:hu/s?h@proxy:3128", "http://***@proxy:3128"),
        ("http://me:hu/sh@h/a?b=c@d", "http://***@d"),
        ("http://h:80/a:b@c", "http://h:80/a:b@c"),
        ("http://[::1]:80/a:b@c", "http://[::1]:80/a:b@c"),
        ("HTTPS://hush@h", "HTTPS://***@h"),
        ("http://127.0.0.1:7480/b/k@x", "http://127.0.0.1:7480/b/k@x"),
        ("https://h/k?X-Amz-Credential=hush&X-Amz-Signature=hush&list-type=2",
         "https://h/k?X-Amz-Credential=***&X-Amz-Signature=***&list-type=2"),
        ("https://h/?api_key=hush#x", "https://h/?api_key=***#x"),
        ("neither `http://a:hush@h` nor http://b:hush@i: no", "neither `http://***@h` nor http://***@i: no"),
        # Keys may look like anything, and are shown as they are.
        ("s3://bucket/http://a:b@c?token=1", "s3://bucket/http://a:b@c?token=1"),
        ("a//b@c?token=1", "a//b@c?token=1"),
        ("https://h/?design=1&page=2", "https://h/?design=1&page=2"),
    ],
)  # fmt: skip
def test_what_is_secret_in_a_url_is_masked_and_nothing_else(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
    assert without_secrets(shown) == shown


def test_no_error_says_a_secret() -> None:
    error = LedgerError("http://a:hush@h is none", hint="see http://h/?token=hush")
    again = pickle.loads(pickle.dumps(error))
    for each in (error, again):
        assert isinstance(each, InventoryError)
        assert (each.message, each.hint) == ("http://***@h is none", "see http://h/?token=***")
        assert "hush" not in f"{each!r} {each}"
