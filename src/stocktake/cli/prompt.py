"""The prompt of `stocktake query` without SQL: questions one after the other, over reports that stay open."""

from __future__ import annotations

import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from stocktake.cli.outcome import say, visible
from stocktake.model.errors import InventoryError

if TYPE_CHECKING:
    from pathlib import Path

    from stocktake.service.commands.asking import Questions

WELCOME = "SQL over the tables ends with `;`. `.help` says what else there is, Ctrl-D leaves."
COMMANDS = {
    ".help": "this list",
    ".schema": "the columns of all tables; `.schema NAME` of one",
    ".reports": "the reports behind the tables",
    ".timing": "say after each answer how long it took, or no longer",
    ".quit": "leave",
}
_WORD = re.compile(r"\w+$")
_KEYWORDS = (
    "SELECT", "FROM", "WHERE", "GROUP", "BY", "ORDER", "LIMIT", "HAVING", "JOIN", "USING", "ANTI", "LEFT", "COUNT",
    "SUM", "MIN", "MAX", "AVG", "DISTINCT", "AND", "OR", "NOT", "NULL", "IS", "IN", "LIKE", "BETWEEN", "CASE", "WHEN",
    "THEN", "ELSE", "END", "DESC", "ALL", "UNION", "grants", "tags", "metadata",
)  # fmt: skip


class Prompt:
    """Takes lines, answers them on stdout, and goes on after whatever goes wrong."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self._timing = False

    def take(self, line: str) -> bool:
        """Carry out one line; returns whether to go on."""
        text = line.strip()
        if text in {".quit", ".exit"}:
            return False
        try:
            if text.startswith("."):
                self._command(*text.split())
            elif text.rstrip(";"):
                self._ask(text)
        except InventoryError as error:
            say(f"error: {error.message}")
            if error.hint:
                say(f"hint: {error.hint}")
        except KeyboardInterrupt as stopped:
            if stopped.args and stopped.args != (signal.SIGINT,):
                raise
            say("stopped")
        return True

    def _ask(self, sql: str) -> None:
        seconds = self._questions.ask(
            sql,
            sys.stdout.buffer,
            lambda text: say(f"warning: {text}"),
            room=shutil.get_terminal_size().columns,
        )
        sys.stdout.flush()
        if self._timing:
            say(f"{seconds:.3f} s")

    def _command(self, name: str, *words: str) -> None:
        shown: dict[str, Callable[..., Iterator[str]]] = {
            ".help": self._help,
            ".schema": self._schema,
            ".reports": self._reports,
            ".timing": self._time,
        }
        if name not in shown:
            say(f"error: there is no `{name}`; expected one of {', '.join(COMMANDS)}")
            return
        for line in shown[name](*words[:1]):
            sys.stdout.write(visible(line) + "\n")
        sys.stdout.flush()

    def _help(self, *_: str) -> Iterator[str]:
        yield from (f"{name:10}{text}" for name, text in COMMANDS.items())

    def _schema(self, only: str = "") -> Iterator[str]:
        for table in self._questions.tables:
            if only.lower() in {"", table.name.lower()}:
                yield table.name
                columns = self._questions.columns(table.name)
                yield from (f"  {name:34}{kind}" for name, kind in columns.items())

    def _reports(self, *_: str) -> Iterator[str]:
        yield from (f"{name:20}{address}" for name, address in self._questions.reports())

    def _time(self, *_: str) -> Iterator[str]:
        self._timing = not self._timing
        yield f"timing is {'on' if self._timing else 'off'}"


class NameCompleter(Completer):
    """Completes the names of columns and tables, SQL's words, and at the start of a line the prompt's commands."""

    def __init__(self, questions: Questions) -> None:
        names = {table.name for table in questions.tables}
        columns = {name for each in names for name in questions.columns(each)}
        self._words = [*sorted(columns), *sorted(names), *_KEYWORDS]

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        """What the word before the cursor may become."""
        del complete_event
        before = document.text_before_cursor
        if before.startswith("."):
            word, known = before, list(COMMANDS)
        else:
            found = _WORD.search(before)
            word, known = found[0] if found else "", self._words
        if word:
            for name in known:
                if name.lower().startswith(word.lower()):
                    yield Completion(name, start_position=-len(word))


def ends(text: str) -> bool:
    """Whether Enter behind `text` sends it: a command, a question with its `;`, or nothing."""
    stripped = text.strip()
    return not stripped or stripped.startswith(".") or stripped.endswith(";")


def prompt_session(questions: Questions, history: Path, **terminal: Any) -> PromptSession[str]:
    """The line editor. `terminal` is its input and output, where they are not the process's own."""
    bindings = KeyBindings()
    session: PromptSession[str] = PromptSession(
        "stocktake> ",
        multiline=True,
        prompt_continuation="      ...> ",
        history=FileHistory(str(history)),
        completer=NameCompleter(questions),
        complete_while_typing=False,
        key_bindings=bindings,
        **terminal,
    )

    @Condition
    def complete() -> bool:
        return ends(session.default_buffer.text)

    @bindings.add("enter", filter=complete)
    def _send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    return session


def converse(questions: Questions, session: PromptSession[str]) -> None:
    """Take lines until Ctrl-D or `.quit`. Ctrl-C gives up the line, or the question under way."""
    prompt = Prompt(questions)
    say(WELCOME)
    going = True
    while going:
        try:
            line = session.prompt()
        except EOFError:
            return
        except KeyboardInterrupt as stopped:
            if stopped.args and stopped.args != (signal.SIGINT,):
                raise
            continue
        going = prompt.take(line)
