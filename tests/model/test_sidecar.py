from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.model.capabilities import Walk
from stocktake.model.configuration import InventoryConfiguration
from stocktake.model.errors import ManifestError
from stocktake.model.fields import EXTENSION_FIELDS
from stocktake.model.keys import KeyRange
from stocktake.model.manifest import ManifestFile
from stocktake.model.proof import check_files
from stocktake.model.runs import DataFile
from stocktake.model.sidecar import Sidecar, parse_sidecar, render_sidecar, sidecar_file
from tests.model.documents import KEYS, MD5S, MOMENTS, TEXTS, configurations, ranges
from tests.model.test_configuration import DOCUMENT


@st.composite
def data_files(draw: st.DrawFn) -> DataFile:
    rows = draw(st.integers(0, 2**40))
    keys = st.none() if rows == 0 else KEYS
    file = ManifestFile(draw(KEYS), draw(st.integers(0, 2**50)), draw(MD5S))
    return DataFile(file, draw(ranges()), rows, draw(keys), draw(keys))


_COUNTS = st.dictionaries(st.sampled_from(["list", "head", "acl"]), st.integers(0, 2**60))

sidecars = st.fixed_dictionaries(
    {
        "generator": TEXTS,
        "endpoint": TEXTS,
        "configuration": configurations(TEXTS),
        "extension_fields": st.lists(st.sampled_from(EXTENSION_FIELDS)).map(tuple),
        "started": MOMENTS,
        "finished": MOMENTS,
        "rows": st.integers(0, 2**60),
        "object_bytes": st.integers(0, 2**62),
        "requests": _COUNTS,
        "retries": st.integers(0, 100),
        "problems": _COUNTS,
        "unknowable": _COUNTS,
        "never": st.lists(TEXTS, max_size=2).map(tuple),
        "warnings": st.lists(TEXTS, max_size=2).map(tuple),
        "walk": st.sampled_from([Walk.PARALLEL, Walk.SERIAL]),
        "files": st.lists(data_files().map(sidecar_file), max_size=3).map(tuple),
    }
).map(Sidecar.model_validate)


@given(sidecars)
def test_a_sidecar_is_read_back_as_it_was(sidecar: Sidecar) -> None:
    body = render_sidecar(sidecar)
    assert parse_sidecar(body) == sidecar
    assert body.endswith(b"}\n")
    assert json.loads(body)["version"] == 1


@given(st.lists(data_files(), max_size=3))
def test_files_come_back_as_the_values_that_are_checked(files: list[DataFile]) -> None:
    sidecar = MINIMAL.model_copy(update={"files": tuple(sidecar_file(file) for file in files)})
    assert list(parse_sidecar(render_sidecar(sidecar)).data_files()) == files


MINIMAL = Sidecar(
    generator="stocktake 1",
    endpoint="http://127.0.0.1",
    configuration=InventoryConfiguration.model_validate(DOCUMENT),
    extension_fields=(),
    started=datetime(2026, 11, 22, 14, 43, tzinfo=UTC),
    finished=datetime(2026, 11, 22, 14, 44, tzinfo=UTC),
    rows=2,
    object_bytes=10,
    requests={"list": 1},
    retries=0,
    problems={},
    unknowable={},
    never=(),
    warnings=(),
    files=(sidecar_file(DataFile(ManifestFile("d/x.orc", 9, "0" * 32), KeyRange(), 2, "a", "b")),),
)


def test_names_are_spelt_as_in_aws_files() -> None:
    document = json.loads(render_sidecar(MINIMAL))
    assert document["objectBytes"] == 10
    assert document["configuration"]["IncludedObjectVersions"] == "All"
    assert document["files"] == [
        {
            "key": "d/x.orc",
            "size": 9,
            "MD5checksum": "0" * 32,
            "rows": 2,
            "after": "",
            "firstKey": "a",
            "lastKey": "b",
        }
    ]


def test_what_a_sidecar_claims_can_be_checked() -> None:
    check_files(parse_sidecar(render_sidecar(MINIMAL)).data_files(), KeyRange(), MINIMAL.rows)


def test_what_a_newer_version_adds_is_ignored() -> None:
    document = json.loads(render_sidecar(MINIMAL)) | {"colour": "red"}
    assert parse_sidecar(json.dumps(document).encode()) == MINIMAL


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b"{", b'{"files": 1}'])
def test_what_is_no_sidecar_is_one_clear_error(body: bytes) -> None:
    with pytest.raises(ManifestError, match=r"not a stocktake\.json: .+: .+"):
        parse_sidecar(body)


def test_a_range_that_cannot_be_is_named() -> None:
    document = json.loads(render_sidecar(MINIMAL))
    document["files"][0] |= {"after": "m", "upto": "m"}
    with pytest.raises(ManifestError, match=r"files\.0: .*an empty range: after 'm' up to 'm'"):
        parse_sidecar(json.dumps(document).encode())
