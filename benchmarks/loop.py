"""README.md's table, inventory or a loop of ListObjects: what the kept results of `make bench` come to for many."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

README = Path(__file__).parents[1] / "README.md"
NAME = "inventory-or-loop"
LOOP = "boto3"
OBJECTS = 100_000_000
# Dollars a request in us-east-1, https://aws.amazon.com/s3/pricing/
LIST_PRICE, HEAD_PRICE = 0.005 / 1000, 0.0004 / 1000


def loop_table(document: Mapping[str, Any]) -> str:
    """The table, of the document that `make bench` tells."""
    heads = document["head"]
    ours, loop = document["stocktake"], document["peers"][LOOP]
    our_heads, loop_heads = heads["stocktake"], heads["peers"][LOOP]
    rows = [
        ("", "stocktake", "a loop in boto3"),
        ("---", "---", "---"),
        ("CPU time to list 100 M objects", _hours(ours), _hours(loop)),
        ("the same in objects a second, on the machine below", _speed(ours), _speed(loop)),
        ("CPU time to list them and ask HEAD of each", _hours(our_heads), _hours(loop_heads)),
        ("the same in objects a second", _speed(our_heads), _speed(loop_heads)),
        ("requests per 1,000 objects: LIST", _requests(ours), _requests(loop)),
        (
            "requests per 1,000 objects: LIST and HEAD",
            _requests(our_heads),
            f"{loop_heads['requests_per_1000_keys'] + 1:,.1f}",
        ),
        ("price of these requests at AWS, for 100 M objects", _price(ours), _price(loop)),
        ("memory, all processes together", _memory(ours), f"{_memory(loop)}, and what is kept"),
        (
            "metadata",
            "all fields of S3 Inventory, and more ([docs/fields.md](docs/fields.md))",
            "what LIST returns; else a request, and code, for each object and kind",
        ),
        ("result", "report of AWS's layout, to be queried, audited, compared", "what you write"),
        ("a key that was missed", "is found out; nothing is published", "is not noticed"),
        ("after a crash", "goes on", "begins again"),
    ]
    told = document["conditions"]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([
        *lines, "",
        f"From `{told['command']}`, {told['date']}, {told['machine']}, a server on the same cores included;"
        " [benchmarks/README.md](benchmarks/README.md) says what was done, and compares with other tools.",
    ])  # fmt: skip


def _hours(figures: Mapping[str, Any]) -> str:
    minutes = figures["cpu_us_per_object"] * OBJECTS / 1e6 / 60
    return f"{minutes:.0f} minutes" if minutes < 100 else f"{minutes / 60:.1f} hours"  # noqa: PLR2004


def _speed(figures: Mapping[str, Any]) -> str:
    return f"{figures['objects_per_s']:,}"


def _requests(figures: Mapping[str, Any]) -> str:
    return f"{figures['requests_per_1000_keys']:,.2f}"


def _price(figures: Mapping[str, Any]) -> str:
    lists = OBJECTS / 1000 * figures["requests_per_1000_keys"] * LIST_PRICE
    return f"${lists + OBJECTS * HEAD_PRICE:,.2f}, of which LIST ${lists:.2f}"


def _memory(figures: Mapping[str, Any]) -> str:
    return f"{figures['peak_rss_mb']:,.0f} MB"
