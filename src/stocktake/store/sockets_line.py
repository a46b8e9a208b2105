"""One kept-alive connection: a request without a body at a time, of whose answer only the headers are wanted.

Of HTTP/1.1 that is all there is to an answer to HEAD (RFC 9112, 6.3), so that most are read with one look: they begin
with a status line and end with the first empty line. Whatever else a server sends is read once more, slowly.
"""

from __future__ import annotations

import re
import socket
import ssl
from enum import Enum, auto

import pycurl

from stocktake.store.errands import Broken, Errand
from stocktake.store.requests import Answer
from stocktake.store.sockets_names import Address

RECEIVE_BYTES = 64 * 2**10
HEADER_BYTES_MAX = 300 * 2**10  # what libcurl takes, too
TOO_LARGE, WEIRD_REPLY = 100, 8  # libcurl's numbers for which pycurl has no name
_END = b"\r\n\r\n"
_CLOSES = re.compile(rb"\nconnection:[^\r\n]*\bclose\b", re.IGNORECASE)
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})[ \r]")


class Stage(Enum):
    """How far a connection is."""

    CONNECTING = auto()
    SHAKING_HANDS = auto()
    OPEN = auto()


class Line:
    """A connection and what is under way on it. It never waits: `move` does what can be done now."""

    __slots__ = (
        "_context", "_got", "_host", "_rest", "_session", "_socket", "address", "answers", "began", "errand",
        "keeps", "origin", "since", "stage",
    )  # fmt: skip

    def __init__(
        self,
        origin: str,
        address: Address,
        context: ssl.SSLContext | None,
        host: str,
        session: ssl.SSLSession | None,
    ) -> None:
        self.origin, self.address = origin, address
        self._context, self._host, self._session = context, host, session
        self.stage = Stage.CONNECTING
        self.errand: Errand | None = None
        self.answers = 0  # that came on it
        self.keeps = True  # it can be used again
        self.began = 0.0  # when what is under way was begun
        self.since = 0.0  # when anything was heard or said last
        self._got = self._rest = b""
        self._socket = socket.socket(address.family, socket.SOCK_STREAM)
        self._socket.settimeout(0)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def fileno(self) -> int:
        """The number of its file descriptor."""
        return self._socket.fileno()

    def connect(self) -> int:
        """Begin to connect; 0, or the number of the error if that is hopeless."""
        return self._socket.connect_ex(self.address.where)

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    @property
    def session(self) -> ssl.SSLSession | None:
        """What saves the next connection half of the work of shaking hands, where TLS is spoken."""
        return self._socket.session if isinstance(self._socket, ssl.SSLSocket) else None

    @property
    def silent(self) -> bool:
        """Whether nothing has come yet of the answer that is awaited."""
        return not self._got

    @property
    def wants_to_send(self) -> bool:
        """Whether it waits for room to send."""
        return bool(self._rest) or self.stage is Stage.CONNECTING

    # -- opening -----------------------------------------------------------------------------------

    def go_on(self) -> Broken | None:
        """Go on connecting; None as long as nothing is wrong. `stage` tells how far it is.

        Where TLS is spoken, hands are shaken until both sides are content.
        """
        if self.stage is Stage.CONNECTING:
            if number := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                return Broken(0, pycurl.E_COULDNT_CONNECT, _error_text(OSError(number)))
            if self._context is None:
                self.stage = Stage.OPEN
                return None
            self._socket = self._context.wrap_socket(
                self._socket,
                server_hostname=self._host,
                do_handshake_on_connect=False,
                session=self._session,
            )
            self.stage = Stage.SHAKING_HANDS
        return self._shake_hands()

    def _shake_hands(self) -> Broken | None:
        assert isinstance(self._socket, ssl.SSLSocket)
        try:
            self._socket.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except ssl.SSLCertVerificationError as error:
            text = f"SSL certificate problem: {error.verify_message}"
            return Broken(0, pycurl.E_PEER_FAILED_VERIFICATION, text)
        except OSError as error:
            return Broken(0, pycurl.E_SSL_CONNECT_ERROR, _error_text(error))
        self.stage = Stage.OPEN
        return None

    # -- sending and receiving ---------------------------------------------------------------------

    def send(self, data: bytes) -> bool:
        """Send a request, or what is left of it, as far as there is room; False where the connection is gone."""
        try:
            sent = self._socket.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            sent = 0
        except OSError:
            return False
        self._rest = data[sent:] if sent < len(data) else b""
        return True

    def send_rest(self) -> bool:
        """Send what is left of the request; False where the connection is gone."""
        return not self._rest or self.send(self._rest)

    def receive(self) -> Answer | Broken | None:
        """What has come: an answer, None if there is more to come, or how the connection ended."""
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError as error:
            return Broken(0, pycurl.E_RECV_ERROR, _error_text(error))
        if not data:
            return self._ended()
        if self._context is not None:
            data += self._decrypted()
        got = self._got = self._got + data if self._got else data
        # Nearly all: one piece, nothing behind the headers.
        if got.startswith(b"HTTP/1.1 2") and got.find(_END) == len(got) - len(_END):
            self._got = b""
            self.keeps = b"lose" not in got or _CLOSES.search(got) is None
            return Answer(int(got[9:12]), got[got.find(b"\n") + 1 : -2], b"")
        return self._read(got)

    def _decrypted(self) -> bytes:
        """What TLS has received beyond what it gave: nobody else would tell of it."""
        assert isinstance(self._socket, ssl.SSLSocket)
        data = b""
        while waiting := self._socket.pending():
            data += self._socket.recv(waiting)
        return data

    def _read(self, got: bytes) -> Answer | Broken | None:
        """An answer that is unusual in any way, or not whole yet."""
        while (end := _BLANK_LINE.search(got)) is not None:
            head, rest = got[: end.end()], got[end.end() :]
            status = _STATUS.match(head)
            if status is None:
                break
            if status[1].startswith(b"1"):  # such as 100 Continue: the answer itself follows
                got = self._got = rest
                continue
            self._got = b""
            # What follows the headers belongs to nothing that was asked for.
            self.keeps = not (
                rest or head.startswith(b"HTTP/1.0") or _CLOSES.search(head) is not None
            )
            lines = head.rstrip(b"\r\n").replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b"\r\n"
            return Answer(int(status[1]), lines[lines.find(b"\n") + 1 :], b"")
        if end is not None or not b"HTTP/1.".startswith(got[:7]):
            return Broken(0, WEIRD_REPLY, "Received HTTP/0.9 or no HTTP at all")
        if len(got) > HEADER_BYTES_MAX:
            return Broken(0, TOO_LARGE, "Too large response headers")
        return None

    def _ended(self) -> Broken:
        if not self._got:
            return Broken(0, pycurl.E_GOT_NOTHING, "Empty reply from server")
        status = _STATUS.match(self._got)
        return Broken(int(status[1]) if status else 0, 0, "")


def _error_text(error: OSError) -> str:
    reason = getattr(error, "reason", None) or error.strerror
    return str(reason or error)
