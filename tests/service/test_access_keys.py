"""The file of access keys: private, whole, and never shown."""

from __future__ import annotations

import errno
import io
import json
import os
import stat
from pathlib import Path

import pytest

from stocktake.model.access import EVERYTHING, AccessKey, Grant, Role
from stocktake.model.configuration import InventoryConfiguration
from stocktake.model.errors import AccessKeysError, NotAllowedError, UsageError
from stocktake.service.access_keys import (
    WatchedKeys,
    add_keys,
    create_key,
    delete_key,
    list_keys,
    made_grant,
    read_keys,
)
from stocktake.service.importing_keys import import_keys, read_pairs
from tests.api.test_inventory import plain

GRANT = Grant(Role.WRITER, ("team-*",), ("Size",))
KEY = AccessKey("AKIA1", GRANT, "alice", "s3cr3t+/=")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new" / "keys.json"


def written(file: Path, document: object, mode: int = 0o600) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    file.chmod(mode)
    return file


def entry(**changed: object) -> dict[str, object]:
    whole = {"access_key": "AKIA1", "secret_key": "s3cr3t", "role": "reader", "buckets": ["*"]}
    return {name: value for name, value in (whole | changed).items() if value is not None}


def refused(file: Path, *said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_keys(file)
    assert str(file) in caught.value.message
    assert "s3cr3t" not in caught.value.message + caught.value.hint
    assert caught.value.hint
    for text in said:
        assert text in caught.value.message


def test_keys_are_kept_for_this_user_alone(file: Path) -> None:
    assert read_keys(file) == {}
    add_keys(file, [KEY])
    assert read_keys(file) == {"AKIA1": KEY}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["keys.json"]
    assert "s3cr3t" not in repr(list_keys(file)) + repr(read_keys(file))


def test_a_key_is_replaced_and_deleted(file: Path) -> None:
    add_keys(file, [KEY, AccessKey("AKIA2", EVERYTHING, "", "x")])
    add_keys(file, [AccessKey("AKIA1", EVERYTHING, "bob", "other")])
    assert [(key.access_key, key.name) for key in list_keys(file)] == [
        ("AKIA1", "bob"),
        ("AKIA2", ""),
    ]
    delete_key(file, "AKIA1")
    assert list(read_keys(file)) == ["AKIA2"]
    with pytest.raises(UsageError, match="no access key `AKIA1`"):
        delete_key(file, "AKIA1")


def test_made_keys_are_new_each_time(file: Path) -> None:
    made = [create_key(file, GRANT, "") for _ in range(3)]
    assert len({key.access_key for key in made} | {key.secret_key for key in made}) == 6
    assert read_keys(file) == {key.access_key: key for key in made}
    assert all(len(key.access_key) == 20 and len(key.secret_key) == 40 for key in made)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o644])
def test_a_file_that_others_may_read_is_refused(file: Path, mode: int) -> None:
    refused(written(file, {"keys": [entry()]}, mode), f"its mode is {mode:04o}, expected 0600")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("no JSON s3cr3t", "Invalid JSON"),
        ({"keys": [entry(), entry()]}, "AKIA1 stands there 2 times"),
        ({"keys": [entry(role="owner")]}, "keys.0.role"),
        ({"keys": [entry(buckets=[])]}, "keys.0.buckets"),
        ({"keys": [entry(secret_key=None)]}, "one of secret_key and secret_from"),
        ({"keys": [entry(secret_from="env:A")]}, "one of secret_key and secret_from"),
        ({"keys": [entry(secret_key=None, secret_from="vault:a")]}, "keys.0.secret_from"),
        ({"keys": [entry(fields=["Tags"])]}, "`Tags`"),
        ({"keys": [entry(rolle="reader")]}, "keys.0.rolle"),
        ({"keys": [entry(access_key="a/b")]}, "keys.0.access_key"),
        ({"version": 2, "keys": []}, "version"),
    ],
)
def test_a_file_that_is_none_is_told(file: Path, document: object, said: str) -> None:
    refused(written(file, document), said)


def test_a_folder_in_its_place_is_told(file: Path) -> None:
    file.mkdir(parents=True)
    refused(file)


def test_secrets_may_be_elsewhere(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [
        entry(access_key="A", secret_key=None, secret_from="env:ALICES_SECRET"),
        entry(access_key="B", secret_key=None, secret_from="file:b.txt"),
    ]
    written(file, {"keys": keys})
    refused(file, "the variable ALICES_SECRET is not set")
    monkeypatch.setenv("ALICES_SECRET", "one")
    refused(file, "b.txt cannot be read")
    (file.parent / "b.txt").write_text("two\n")
    assert {name: key.secret_key for name, key in read_keys(file).items()} == {
        "A": "one",
        "B": "two",
    }
    assert [key.secret for key in list_keys(file)] == ["env:ALICES_SECRET", "file:b.txt"]


def test_a_changed_file_is_read_anew_and_a_broken_one_not_overlooked(file: Path) -> None:
    watched = WatchedKeys(file)
    assert watched() == {}
    add_keys(file, [KEY])
    assert watched() == {"AKIA1": KEY}
    assert watched() is watched()
    written(file, "{")
    for _ in range(2):
        with pytest.raises(UsageError):
            watched()
    file.unlink()
    assert watched() == {}


# -- taken over ------------------------------------------------------------------------------------

# As `radosgw-admin user info` of Ceph 16 prints it, shortened; later versions say `active`, too.
RADOSGW = {
    "user_id": "alice",
    "display_name": "alice",
    "suspended": 0,
    "max_buckets": 1000,
    "subusers": [],
    "keys": [
        {"user": "alice", "access_key": "AKIA1", "secret_key": "one"},
        {"user": "alice:sub", "access_key": "AKIA2", "secret_key": "two", "active": True},
        {"user": "alice", "access_key": "AKIA3", "secret_key": "no", "active": False},
    ],
    "swift_keys": [],
    "caps": [],
}
CREDENTIALS = """\
# mine
[default]
aws_access_key_id = AKIA1
aws_secret_access_key = a+/%=b

[temporary]
aws_access_key_id = ASIA1
aws_secret_access_key = no
aws_session_token = FwoG

[sso]
region = eu-west-1
"""


def test_pairs_of_radosgw_are_taken_over() -> None:
    expected = [("AKIA1", "one", "alice"), ("AKIA2", "two", "alice:sub")]
    assert read_pairs(json.dumps(RADOSGW), "x") == expected
    suspended = RADOSGW | {"suspended": 1}
    assert read_pairs(json.dumps([suspended, RADOSGW]), "x") == expected
    with pytest.raises(UsageError, match="no pair of keys to import in x"):
        read_pairs(json.dumps(suspended), "x")


def test_pairs_of_a_credentials_file_are_taken_over() -> None:
    assert read_pairs(CREDENTIALS, "x") == [("AKIA1", "a+/%=b", "default")]


@pytest.mark.parametrize(
    "text", ["", "secret words", "[a]\nsecret", "{}", "[1]", "null", '"a"', "[" * 10**5]
)
def test_what_is_neither_is_told_without_showing_it(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_pairs(text, "keys.txt")
    assert "keys.txt" in caught.value.message
    assert "secret" not in caught.value.message
    assert caught.value.__cause__ is None or "secret" not in str(caught.value.__cause__)


def test_imported_keys_are_in_the_file(file: Path, tmp_path: Path) -> None:
    source = tmp_path / "user.json"
    source.write_text(json.dumps(RADOSGW))
    import_keys(file, source, GRANT)
    assert read_keys(file)["AKIA2"] == AccessKey("AKIA2", GRANT, "alice:sub", "two")
    import_keys(file, io.BytesIO(CREDENTIALS.encode()), EVERYTHING)
    assert read_keys(file)["AKIA1"] == AccessKey("AKIA1", EVERYTHING, "default", "a+/%=b")
    with pytest.raises(UsageError, match="cannot be read"):
        import_keys(file, tmp_path / "missing", GRANT)
    odd = CREDENTIALS.replace("a+/%=b", "ümlaut")
    with pytest.raises(UsageError, match="secret_key is not of the form"):
        import_keys(file, io.BytesIO(odd.encode()), GRANT)


# -- what a grant covers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "bucket", "expected"),
    [
        ("*", "anything", True),
        ("team-*", "team-a", True),
        ("team-*", "team-", True),
        ("team-*", "xteam-a", False),
        ("team-?", "team-ab", False),
        ("team-?", "team-a", True),
        ("team.a", "team-a", False),
        ("[a-z]*", "abc", False),
        ("a", "A", False),
        ("a*", "a\n", True),
        ("a", "a\n", False),
    ],
)
def test_a_pattern_covers_whole_names(pattern: str, bucket: str, expected: bool) -> None:
    assert Grant(Role.READER, ("other", pattern)).covers(bucket) is expected


def test_a_grant_is_for_source_and_destination() -> None:
    configuration = InventoryConfiguration.model_validate(plain("report1"))
    Grant(Role.WRITER, ("src", "dest")).check_put("src", configuration)
    for buckets in (("src",), ("dest",), ()):
        with pytest.raises(NotAllowedError):
            Grant(Role.WRITER, buckets).check_put("src", configuration)
    asked = InventoryConfiguration.model_validate(plain("report1", OptionalFields=["Size", "ETag"]))
    Grant(Role.WRITER, ("*",), ("ETag", "Size")).check_put("src", asked)
    with pytest.raises(NotAllowedError, match="ETag"):
        Grant(Role.WRITER, ("*",), ("Size",)).check_put("src", asked)
    with pytest.raises(NotAllowedError, match="Size"):
        Grant(Role.WRITER, ("*",), ()).check_put("src", asked)


def test_a_grant_names_its_buckets_and_known_fields() -> None:
    assert made_grant(Role.ADMIN, ["*"], None) == EVERYTHING
    with pytest.raises(UsageError, match="no bucket is named"):
        made_grant(Role.ADMIN, [], None)
    with pytest.raises(UsageError, match="`Tags`"):
        made_grant(Role.ADMIN, ["*"], ["Tags"])


def test_a_disk_that_is_read_only_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There even the removal of a file that is not there is refused."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "open", refused)
    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(AccessKeysError, match="cannot be written: Read-only file system"):
        create_key(tmp_path / "keys.json", Grant(Role.ADMIN, ("*",)), "")
