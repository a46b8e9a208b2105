"""What SQL may say that somebody other than the owner wrote: one SELECT over given tables, by DuckDB's own parser.

What is allowed is listed, and everything else refused: kinds of tables and of functions. So what a later DuckDB adds is
refused until somebody has looked at it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import duckdb

from stocktake.analysis.complaints import on_one_line
from stocktake.analysis.decoding import DECODING
from stocktake.analysis.statements import READING, one_statement, parsed_sql
from stocktake.model.errors import QueryError

SQL_CHARACTERS_MAX = 100_000

_TABLES = frozenset(
    {"BASE_TABLE", "SUBQUERY", "JOIN", "EXPRESSION_LIST", "EMPTY", "TABLE_FUNCTION"}
)
_TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})
# Besides all scalars and aggregates that always give the same for the same. Of the others only the clock.
_MORE_FUNCTIONS = frozenset(
    {"now", "today", "current_date", "get_current_timestamp", "transaction_timestamp"}
)
_MACROS = frozenset(
    {
        *(head.partition("(")[0] for head in DECODING),
        "ago", "date_add", "days_in_month", "fdiv", "fmod", "generate_subscripts", "geomean", "if", "nullif",
        "list_any_value", "list_append", "list_avg", "list_count", "list_first", "list_last", "list_max", "list_median",
        "list_min", "list_mode", "list_prepend", "list_reverse", "list_string_agg", "list_sum", "array_to_string",
        "map_contains_entry", "map_contains_value", "split_part", "wavg", "weighted_avg", "count_star",
    }
)  # fmt: skip
# Consistent, but they plan SQL of their own, show the engine from behind, or take what it holds in memory from outside.
_REFUSED = frozenset(
    {
        "json_serialize_plan",
        "parse_duckdb_log_message",
        "create_sort_key",
        "to_aggregate_state",
        "combine",
        "combine_aggr",
        "finalize",
        "version",
    }
)
_HIDDEN = ("__internal", "pg_", "duckdb_")


def check_guarded(sql: str, tables: Collection[str]) -> None:
    """Check that `sql` is one SELECT that asks `tables` and nothing else: no other table, file, setting or session.

    Raises:
        QueryError: it is not; the message names what is refused.
    """
    if len(sql) > SQL_CHARACTERS_MAX:
        raise QueryError(
            f"the SQL has {len(sql)} characters; at most {SQL_CHARACTERS_MAX} are taken"
        )
    with duckdb.connect(":memory:", config=_CLOSED) as parser:
        document = _parsed(parser, sql)
        functions = _functions(parser)
    for node, known in _nodes(document, frozenset(name.lower() for name in tables)):
        if refused := _refusal(node, known, functions):
            raise QueryError(
                f"found {refused}, which SQL may not use here",
                hint=f"one SELECT over {', '.join(tables)}, by functions of values alone",
            )


_CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_persistent_secrets": False,
    "lock_configuration": True,
    "threads": 1,
    "memory_limit": "128MiB",
}


def _parsed(parser: duckdb.DuckDBPyConnection, sql: str) -> Any:
    try:
        kind, _ = one_statement(parser, sql)
        if kind != "SELECT":
            raise QueryError(f"found {kind}, expected one SELECT")
        document = parsed_sql(parser, sql)
    except duckdb.Error as error:
        raise QueryError(on_one_line(str(error).strip(), sql)) from error
    if document["error"] or len(document["statements"]) != 1:
        raise QueryError(f"expected one SELECT: {document.get('error_message', 'found several')}")
    return document


def _functions(parser: duckdb.DuckDBPyConnection) -> set[str]:
    rows = parser.execute(
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'window'"
        " OR (function_type IN ('scalar', 'aggregate') AND stability = 'CONSISTENT')"
    ).fetchall()
    names = {str(name) for [name] in rows if not str(name).startswith(_HIDDEN)}
    return (names - _REFUSED) | _MORE_FUNCTIONS | _MACROS


def _nodes(
    document: Any, tables: frozenset[str]
) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """Every node, and the names of tables that DuckDB looks up there before its own: those that are given, and those
    that the SELECT makes for itself by WITH, each from behind its own query on.
    """
    waiting: list[tuple[Any, frozenset[str]]] = [(document, tables)]
    while waiting:
        node, known = waiting.pop()
        if isinstance(node, list):
            waiting += [(each, known) for each in node]
        elif isinstance(node, dict):
            parts = dict(node)
            for entry in parts.pop("cte_map", {"map": ()})["map"]:
                waiting.append((entry["value"], known))
                known |= {entry["key"].lower()}
            if node.get("type") == "RECURSIVE_CTE_NODE":  # its first part does not know it yet
                waiting.append((parts.pop("right"), known | {node["cte_name"].lower()}))
            yield node, known
            waiting += [(part, known) for part in parts.values()]


def _refusal(node: dict[str, Any], tables: Collection[str], functions: set[str]) -> str:
    """What of this node is not allowed, in words; empty where all is."""
    if "cte_map" in node:
        return "" if node["type"] in READING else f"a {node['type']}"
    if "sample" in node and "type" in node and "class" not in node:
        return _table_refusal(node, tables)
    if "function_name" in node:
        name = ".".join(node["qualified_name"]["path"])
        return "" if name in functions | _TABLE_FUNCTIONS else f"the function {name}"
    return ""


def _table_refusal(node: dict[str, Any], tables: Collection[str]) -> str:
    if node["type"] not in _TABLES:
        return f"a {node['type']}"
    if node["type"] == "BASE_TABLE":
        name = ".".join(node["qualified_name"]["path"])
        return "" if name.lower() in tables else f"the table {name}"
    if node["type"] == "TABLE_FUNCTION":
        name = ".".join(node["function"]["qualified_name"]["path"])
        return "" if name in _TABLE_FUNCTIONS else f"the function {name}"
    return ""
