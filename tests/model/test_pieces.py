"""What a run has: its counts are those of its pieces, and nothing else's."""

from __future__ import annotations

from collections import Counter

from stocktake.model.keys import KeyRange
from stocktake.model.manifest import ManifestFile
from stocktake.model.pieces import Delivery, Kept, Segment, delivery_of
from stocktake.model.runs import DataFile

FILE = DataFile(ManifestFile("r/data/1.parquet", 9, "0" * 32), KeyRange("", "f"), 5, "a", "e")


def segment(after: str, upto: str | None, rows: int, silent: str = "") -> Segment:
    return Segment(
        KeyRange(after, upto),
        rows,
        upto,
        upto,
        None,
        counters=Counter({"rows": rows, "problems.vanished": 1}),
        silent=(silent, None) if silent else None,
    )


def test_a_delivery_has_what_its_segments_had_and_what_delivering_took() -> None:
    group = [segment("", "c", 2), segment("c", "f", 3, "d")]
    spent = Counter({"requests.control": 4})
    assert delivery_of(FILE, group, spent) == Delivery(
        FILE, Counter({"rows": 5, "problems.vanished": 2, "requests.control": 4}), ("d", None)
    )
    assert spent == {"requests.control": 4}


def test_what_a_run_kept_adds_up_over_files_and_segments() -> None:
    kept = Kept(
        (delivery_of(FILE, [segment("", "f", 5)], Counter()),), (segment("k", "m", 2, "l"),)
    )
    assert kept.counters == {"rows": 7, "problems.vanished": 2}
    assert kept.silent == ("l", None)
    assert kept.uncovered(KeyRange()) == (KeyRange("f", "k"), KeyRange("m", None))


def test_a_run_that_kept_nothing_has_everything_before_it() -> None:
    assert Kept().uncovered(KeyRange()) == (KeyRange(),)
    assert Kept().counters == {}
    assert Kept().silent is None
