"""What a finished run says: the same facts for people and, as one document, for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stocktake.cli.outcome import visible
from stocktake.cli.words import bytes_text, count, counted, tally
from stocktake.model.fields import BY_NAME, Source
from stocktake.model.figures import Comparison
from stocktake.model.remembering import FATES
from stocktake.model.runs import InventoryResult, Problem, group

# What each problem means for the rows it touched.
MEANINGS: Mapping[Problem, str] = {
    Problem.REFUSED: "the store denied a call about the object",
    Problem.FAILED: "a call did not succeed, however often it was tried",
    Problem.VANISHED: "the object was gone before it was asked about",
    Problem.CHANGED: "the object was overwritten meanwhile; the row is the newer one's",
    Problem.UNKNOWABLE: "a value may have been withheld for want of a permission",
    Problem.LATEST: "a key has not exactly one latest version",
    Problem.POSTPONED: "the budget was spent before the object was asked about; the next run goes on there",
}


def result_document(result: InventoryResult) -> dict[str, Any]:
    """The result as JSON takes it."""
    counters, manifest = result.counters, result.manifest
    return {
        "manifest": result.address,
        "source_bucket": manifest.source_bucket,
        "format": str(manifest.format),
        "created": manifest.created.isoformat().replace("+00:00", "Z"),
        "fields": [field.name for field in manifest.fields],
        "files": len(manifest.files),
        "report_bytes": sum(file.size for file in manifest.files),
        "rows": counters["rows"],
        "object_bytes": counters["object_bytes"],
        "requests": group(counters, "requests"),
        "retries": counters["retries"],
        "problems": group(counters, "problems"),
        "unknowable": _unknowable(result),
        "remembered": remembered_document(result.counters),
        "never": list(_never(result)),
        "warnings": list(result.warnings),
        "walk": str(result.walk),
        "compared": compared_document(result.compared),
        "seconds": round(result.seconds, 3),
    }


def result_lines(result: InventoryResult) -> list[str]:
    """The result in a few lines."""
    counters = result.counters
    written = sum(file.size for file in result.manifest.files)
    facts = {
        "manifest": visible(result.address),
        "rows": f"{count(counters['rows'])}, {bytes_text(counters['object_bytes'])} of objects",
        "report": f"{counted(len(result.manifest.files), 'data file')}, {bytes_text(written)}",
        "requests": tally(group(counters, "requests")) or "0",
        "retries": count(counters["retries"]),
        "problems": tally(group(counters, "problems")) or "none",
        "seconds": f"{result.seconds:.1f}",
    }
    if said := remembered_text(result.counters):
        facts["answers"] = said
    lines = [f"{name:<10}{value}" for name, value in facts.items()]
    lines += [
        f"  {problem}: {counted(counters[f'problems.{problem}'], 'row')}: {MEANINGS[problem]}"
        for problem in Problem
        if counters[f"problems.{problem}"]
    ]
    lines += [
        f"  {name}: {counted(unknown['rows'], 'row')} may lack a value that is there;"
        f" {unknown['permission']} would tell"
        for name, unknown in _unknowable(result).items()
    ]
    if never := _never(result):
        lines.append(f"  {', '.join(never)}: always empty, no S3 call exposes it")
    return [*lines, *compared_lines(result.compared)]


def remembered_document(counters: Mapping[str, int]) -> dict[str, Any]:
    """What became of the answers about objects, and how many that were asked for again were others, by field."""
    counts = group(counters, "remembered")
    fates = {name: counts.get(name, 0) for name in FATES}
    return {**fates, "revised": group(counters, "revised")}


def remembered_text(counters: Mapping[str, int]) -> str:
    """The same in a line; empty where nothing was asked."""
    said = tally({name: n for name, n in group(counters, "remembered").items() if name in FATES})
    revised = group(counters, "revised")
    found = f"; changed in place: {tally(revised)}" if revised else ""
    return f"{said}{found}" if said else ""


def compared_document(compared: Sequence[Comparison]) -> dict[str, Any]:
    """What was expected of a run and what it came to, by the name of each figure."""
    return {each.name: each.to_json() for each in compared}


def compared_lines(compared: Sequence[Comparison]) -> list[str]:
    """The same in lines; none where nothing was expected."""
    return ["as the last report let expect:", *(f"  {each.line}" for each in compared)] * bool(
        compared
    )


def _unknowable(result: InventoryResult) -> dict[str, dict[str, Any]]:
    """By field: in how many rows a value may be withheld, and the permission that would tell."""
    return {
        name: {"rows": rows, "permission": BY_NAME[name].permission}
        for name, rows in group(result.counters, "unknowable").items()
    }


def _never(result: InventoryResult) -> tuple[str, ...]:
    return tuple(f.name for f in result.manifest.fields if f.source is Source.NEVER)
