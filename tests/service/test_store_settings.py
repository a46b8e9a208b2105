"""What workers are told of stores."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path

import pytest

from stocktake.model.errors import UsageError
from stocktake.model.report_options import ReportOptions, parse_report_options
from stocktake.model.store import Store
from stocktake.model.store_limits import QuietHours, StoreLimits
from stocktake.service.server_settings import Site, server_settings


def read(folder: Path, text: str) -> dict[str, Site]:
    file = folder / "stocktake.toml"
    file.write_text(text)
    return {site.name: site for site in server_settings(file).sites}


def test_a_file_names_stores_and_what_each_bears(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        '[server]\nlisten = "127.0.0.1:1"\n[stores.a]\nendpoint_url = "http://a"\ndomains = ["s3.a"]\n'
        'requests_per_second = 50\nruns_at_a_time = 2\nquiet_hours = "22:30-06:00"\n[stores.b]\n',
    )
    quiet = QuietHours(time(22, 30), time(6))
    assert found == {
        "a": Site("a", Store("http://a"), ("s3.a",), None, StoreLimits(50.0, 2, quiet)),
        "b": Site("b", Store()),
    }
    assert found["a"].limits.rate == 25


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[stores]", "describes no store"),
        ("stores = 1", "is no table"),
        ("[stores]\na = 1", "is no table"),
        ("[stores.a]\nquite_hours = 1", "did you mean `stores.a.quiet_hours`"),
        ('[stores.a]\nquiet_hours = "8-18"', "expected HH:MM-HH:MM"),
        ('[stores.a]\nquiet_hours = "08:00-08:00"', "expected HH:MM-HH:MM"),
        ("[stores.a]\nquiet_hours = 8", "expected a text"),
        ("[stores.a]\nruns_at_a_time = 0", "expected a whole number from 1 to 1,000"),
        ("[stores.a]\nruns_at_a_time = true", "expected a whole number from 1 to 1,000"),
        ("[stores.a]\nrequests_per_second = -1", "expected a number from 0.001 to"),
        ("[stores.a]\nrequests_per_second = nan", "expected a number from 0.001 to"),
        ("[stores.a]\nendpoint_url = 1", "expected a text"),
        ('[stores.a]\nendpoint_url = "ceph"', "is no endpoint"),
        ("[stores.a", "are no TOML"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("begin", "end", "at", "quiet"),
    [
        (8, 18, 8, True),
        (8, 18, 17, True),
        (8, 18, 18, False),
        (22, 6, 23, True),
        (22, 6, 5, True),
        (22, 6, 6, False),
    ],
)
def test_quiet_hours_may_go_over_midnight(begin: int, end: int, at: int, quiet: bool) -> None:
    limits = StoreLimits(quiet_hours=QuietHours(time(begin), time(end)))
    assert limits.quiet(datetime(2026, 11, 26, at, tzinfo=UTC)) is quiet


def test_options_beside_a_configuration() -> None:
    assert parse_report_options({}, "daily") == ReportOptions()
    said = parse_report_options({"hour": 5, "extension_fields": ["ObjectTags"]}, "daily")
    assert (said.hour, said.extension_fields) == (5, ("ObjectTags",))
    for document in ({"hour": 24}, {"hour": "5"}, {"hours": 5}, {"extension_fields": ["Size"]}):
        with pytest.raises(UsageError, match="of daily makes no sense"):
            parse_report_options(document, "daily")
