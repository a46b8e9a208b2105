"""What SQL is, by DuckDB's own parser: whether it is one SELECT that only reads, and which columns it asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

import duckdb

from stocktake.model.errors import QueryError

# What stands ahead of a statement that is explained.
_EXPLAIN = re.compile(
    r"\s*EXPLAIN(\s+ANALYZE\b)?(\s*\(\s*(ANALYZE|FORMAT)\b[^()]*\))?", re.IGNORECASE
)
# The kinds of queries within a SELECT that only read. In a WITH there may be others: COPY, DELETE.
READING = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
# They run SQL that stands in a text.
_RUNNING = frozenset({"query", "json_execute_serialized_sql"})


def one_select(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The text of the only statement, a SELECT that only reads, or one that is explained.

    Raises:
        QueryError: it is another one, or there are more or none.
        duckdb.Error: it is no SQL.
    """
    kind, text = one_statement(connection, sql)
    head = ""
    if kind == "EXPLAIN" and (explain := _EXPLAIN.match(text)):
        # To explain may be to run, and what is explained may write: EXPLAIN ANALYZE COPY.
        head = explain.group()
        kind, text = one_statement(connection, text.removeprefix(head))
    if kind == "SELECT":
        kind = _writing(parsed_sql(connection, text))
    if kind:
        raise QueryError(f"found {kind}, expected one SELECT: a report can only be read")
    return f"{head} {text}"


def asked_columns(connection: duckdb.DuckDBPyConnection, sql: str) -> set[str] | None:
    """The names of columns in a SELECT, in lower case; None: it may ask for all."""
    document = parsed_sql(connection, sql)
    return None if document["error"] else _columns_in(document)


def _nodes(
    document: Any, inside: Callable[[dict[str, Any]], Collection[Any]] = dict.values
) -> Iterator[dict[str, Any]]:
    """All parts of what was parsed, each before what is `inside` it."""
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += inside(node)
        elif isinstance(node, list):
            waiting += node


def one_statement(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[str, str]:
    """The kind and the text of the only statement.

    Raises:
        QueryError: there are more, or none.
        duckdb.Error: it is no SQL.
    """
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise QueryError(f"found {len(statements)} SQL statements, expected one")
    try:
        kind = statements[0].type.name
    except ValueError:  # DuckDB's Python has no name for it, as for UPDATE EXTENSIONS
        kind = "a statement of another kind"
    return kind, statements[0].query


def parsed_sql(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
    """A SELECT as DuckDB's parser sees it; `error` is true of what it cannot tell.

    Raises:
        QueryError: it is nested too deeply.
    """
    [[text]] = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
    try:
        document: dict[str, Any] = json.loads(text)
    except RecursionError as error:
        raise QueryError("the SQL is nested too deeply", hint="ask in fewer steps") from error
    return document


def _writing(document: dict[str, Any]) -> str:
    """What in a SELECT may do more than read, in words; empty for nothing."""
    if document["error"]:
        return f"what cannot be looked through ({document.get('error_message', '')})"
    for node in _nodes(document):
        if "cte_map" in node and node["type"] not in READING:
            return f"a {node['type'].removesuffix('_QUERY_NODE')} within a SELECT"
        if "function_name" in node and node["qualified_name"]["path"][-1].lower() in _RUNNING:
            return f"the function {node['qualified_name']['path'][-1]}"
    return ""


def _columns_in(document: Any) -> set[str] | None:
    names: set[str] = set()
    for node in _nodes(document, _children):
        if node.get("class") == "STAR":
            return None
        names.update(name.lower() for name in node.get("column_names") or ())
    return names


def _children(node: dict[str, Any]) -> Collection[Any]:
    """What a node holds; but ORDER BY ALL, which looks like a star, asks for nothing more than is asked for anyway."""
    if node.get("type") != "ORDER_MODIFIER":
        return node.values()
    return [each for each in node["orders"] if each["expression"].get("class") != "STAR"]
