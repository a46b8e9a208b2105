"""What came on a connection -> the answer to a HEAD: a status and headers, with no body behind them (RFC 9112, 6.3).

Nearly all answers come in one piece and are well made: those are read with one look. All others are read line by line
and judged as libcurl judges them, by whose numbers a `Broken` says what was wrong. Only what Content-Length says is
not checked here, as nothing is framed by it: who reads the headers takes what is no number for none.
"""

from __future__ import annotations

import re

import pycurl

from stocktake.store.errands import Broken
from stocktake.store.requests import Answer

# What libcurl takes, too.
HEADER_BYTES_MAX = 300 * 2**10
LINE_BYTES_MAX = 100 * 2**10
LINES_MAX = 5000
TOO_LARGE, WEIRD_REPLY = 100, 8  # libcurl's numbers for which pycurl has no name

# Greedy to the end of each line and never back: a class of characters for values would take three times as long. What
# is said of the connection is that it is kept, or nothing.
_WHOLE = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9]{2}).*+\n(?<=\r\n)"
    rb"((?:(?![cC][oO][nN][nN](?!ection: [kK]eep-[aA]live\r\n))[A-Za-z0-9_.-]++:.*+\n(?<=\r\n))*+)\r\n"
)
_PLAIN = re.compile(rb"HTTP/1\.1 200 .*+\n((?:[^\r\n \t].*+\n)*+)\r\n")
_CLOSES = re.compile(rb"\nconnection:(?:[^\r\n]*,)?[ \t]*close[ \t]*[,\r]", re.IGNORECASE)
_KEEPS = re.compile(rb"\nconnection:(?:[^\r\n]*,)?[ \t]*keep-alive[ \t]*[,\r]", re.IGNORECASE)
_PROTOCOL = b"HTTP/"
_STATUS = re.compile(rb"HTTP/(1\.[01]|2\.0)[ \t]([0-9]{3})", re.IGNORECASE)
_LATER_HTTP = re.compile(rb"HTTP/[23][ \t]", re.IGNORECASE)
_SWITCHED, _STATUS_MIN = 101, 100


def whole_answer(data: bytes) -> Answer | None:
    """The answer that `data` is, where it is one, all of it and well made, and its connection is kept; else None."""
    found = _WHOLE.fullmatch(data)
    if found is None or b"\0" in data or data.count(b"\r") != data.count(b"\n"):
        return None
    status, headers = found.groups()
    return Answer(int(status), headers, b"")


def plain_answer(data: bytes) -> Answer | None:
    """The answer of status 200 that `data` seems to be, all of it. For connections on which `whole_answer` has seen one
    before, at a third of its price: whether all lines are headers is left to who reads them and looks at each
    anyway, and that the connection is to be closed shows when it is.
    """
    found = _PLAIN.fullmatch(data)
    return None if found is None else Answer(200, found[1], b"")


class AnswerReader:
    """Reads one answer, in pieces of any size.

    Memory: HEADER_BYTES_MAX, and a line that is not at its end. Time: in proportion to what is read.
    """

    __slots__ = ("_bytes", "_count", "_current", "_lines", "_part", "_version", "keeps", "status")

    def __init__(self) -> None:
        self.status = 0  # as far as one was seen
        self.keeps = False  # the connection can be used again
        self._part = b""  # of a line
        self._lines: list[bytes] = []
        self._current = False  # `status` is that of the lines, and not of a 1xx answer before
        self._version = b""
        self._bytes = self._count = 0

    def take(self, data: bytes) -> Answer | Broken | None:
        """The answer, what is wrong with it, or None where there is more to come."""
        lines = (self._part + data).split(b"\n")
        self._part = lines.pop()
        for number, line in enumerate(lines, 1):
            if (came := self._take_line(line)) is not None:
                # What follows the headers belongs to nothing that was asked for.
                self.keeps = self.keeps and number == len(lines) and not self._part
                return came
        if not self._current and self._strange(self._part):
            return self._no_status(self._part)
        return self._too_large(self._part)

    def ended(self) -> Broken:
        """What it means that nothing more comes."""
        if self._current:
            return Broken(self.status, 0, "")
        return Broken(self.status, pycurl.E_GOT_NOTHING, "Empty reply from server")

    def _take_line(self, line: bytes) -> Answer | Broken | None:
        self._bytes += len(line) + 1
        self._count += 1
        if (broken := self._too_large(line)) is not None:
            return broken
        line = line.removesuffix(b"\r")
        if not self._current and (broken := self._take_status(line)) is not None:
            return broken
        if (wrong := self._wrong(line)) is not None:
            return Broken(self.status, WEIRD_REPLY, wrong)
        if not line:
            return self._end()
        if line[0] in b" \t" and len(self._lines) > 1:
            # A line that goes on, as HTTP once allowed, stands behind the one before.
            self._lines[-1] = b"%b %b" % (self._lines[-1].rstrip(b" \t"), line.lstrip(b" \t"))
        else:
            self._lines.append(line)
        return None

    def _wrong(self, line: bytes) -> str | None:
        if b"\0" in line:
            return "NUL byte in header"
        if b"\r" in line:
            return "Carriage return found in header"
        # The status line has none, nor needs a line that goes on one.
        goes_on = line[:1] in {b" ", b"\t"} and len(self._lines) > 1
        if line and self._lines and b":" not in line and not goes_on:
            return "Header without colon"
        return None

    def _take_status(self, line: bytes) -> Broken | None:
        found = _STATUS.match(line)
        if found is None:
            return self._no_status(line)
        self._version, self.status, self._current = found[1], int(found[2]), True
        if self.status < _STATUS_MIN:
            text = "Unsupported response code in HTTP response"
            return Broken(self.status, pycurl.E_UNSUPPORTED_PROTOCOL, text)
        return None

    @staticmethod
    def _strange(part: bytes) -> bool:
        """Whether a line that has begun so can be no status line any more."""
        begun = part[: len(_PROTOCOL)].upper()
        return not _PROTOCOL.startswith(begun)

    def _no_status(self, line: bytes) -> Broken:
        if _LATER_HTTP.match(line):
            return Broken(self.status, WEIRD_REPLY, "Version mismatch")
        if self.status:
            return Broken(self.status, WEIRD_REPLY, "Invalid status line")
        text = "Received HTTP/0.9 when not allowed"
        if not self._strange(line) and len(line) >= len(_PROTOCOL):
            text = "Unsupported HTTP version in response"
        return Broken(0, pycurl.E_UNSUPPORTED_PROTOCOL, text)

    def _too_large(self, line: bytes) -> Broken | None:
        if len(line) > LINE_BYTES_MAX:
            return Broken(self.status, TOO_LARGE, "Too long a header line")
        if self._count > LINES_MAX:
            return Broken(self.status, TOO_LARGE, f"Too many headers, {LINES_MAX} is max")
        if self._bytes > HEADER_BYTES_MAX:
            return Broken(self.status, pycurl.E_RECV_ERROR, "Too large response headers")
        return None

    def _end(self) -> Answer | Broken | None:
        lines = b"".join(b"%b\r\n" % line for line in self._lines)
        self._lines.clear()
        if self.status == _SWITCHED:  # nobody has asked for that
            return Broken(self.status, pycurl.E_GOT_NOTHING, "Empty reply from server")
        if self.status // 100 == 1:  # such as 100 Continue: the answer itself follows
            self._current = False
            return None
        self.keeps = _CLOSES.search(lines) is None and (
            self._version != b"1.0" or _KEEPS.search(lines) is not None
        )
        return Answer(self.status, lines[lines.find(b"\n") + 1 :], b"")
