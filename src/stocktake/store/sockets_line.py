"""One kept-alive connection: a request without a body at a time, of whose answer only the headers are wanted."""

from __future__ import annotations

import os
import socket
import ssl

import pycurl

from stocktake.store.errands import Broken, Errand
from stocktake.store.requests import Answer
from stocktake.store.sockets_answers import AnswerReader, plain_answer, whole_answer
from stocktake.store.sockets_names import Address
from stocktake.store.sockets_place import Place
from stocktake.store.sockets_tls import Tls

RECEIVE_BYTES = 64 * 2**10
KEEP_ALIVE_S = (
    60  # of silence, then the other side is asked whether it is still there, as libcurl does
)
_SOCKET_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEP_ALIVE_S),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEP_ALIVE_S),
)


class Line:
    """A connection and what is under way on it. It never waits: its methods do what can be done now."""

    __slots__ = (
        "_reader", "_receive", "_send", "_socket", "_tls", "address", "answers", "connecting", "errand",
        "keeps", "number", "opening", "place", "rest", "since",
    )  # fmt: skip

    def __init__(self, place: Place, address: Address, tls: Tls | None) -> None:
        """An OSError where the system has no more sockets."""
        self.place, self.address = place, address
        self.errand: Errand | None = None
        self.connecting = self.opening = True
        self.answers = 0  # that came on it
        self.keeps = True  # it can be used again
        self.since = 0.0  # when it was begun, used or last answered
        self._tls = tls
        self._reader: AnswerReader | None = None
        self.rest = b""  # what waits for room to be sent
        self._socket = socket.socket(address.family, socket.SOCK_STREAM)
        self.number = self._socket.fileno()  # of its file descriptor, -1 when it is closed
        self._send, self._receive = self._socket.send, self._socket.recv
        self._socket.setblocking(False)  # noqa: FBT003 - the socket module has it so
        for level, option, value in _SOCKET_OPTIONS:
            self._socket.setsockopt(level, option, value)

    def connect(self) -> int:
        """Begin to connect; 0, or the number of the error if that is hopeless."""
        try:
            return self._socket.connect_ex(self.address.where)
        except OSError as error:  # an address of a kind that this machine does not have
            return error.errno or -1

    def close(self) -> None:
        """Close it."""
        self.number = -1
        self._socket.close()

    @property
    def session(self) -> ssl.SSLSession | None:
        """What saves the next connection half of the work of shaking hands, where TLS is spoken."""
        return None if self._tls is None else self._tls.session

    @property
    def silent(self) -> bool:
        """Whether nothing has come yet of the answer that is awaited."""
        return self._reader is None

    @property
    def status(self) -> int:
        """The status of the answer that is awaited as far as it was seen, else 0."""
        return 0 if self._reader is None else self._reader.status

    @property
    def wants_to_send(self) -> bool:
        """Whether it waits for room to send."""
        return self.connecting or bool(self.rest)

    # -- opening -----------------------------------------------------------------------------------

    def go_on(self) -> bool:
        """Go on connecting; False where that is hopeless. It is done when it is not `opening` any more.

        Where TLS is spoken, hands are shaken until both sides are content.
        """
        try:
            if self.connecting:
                if self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    return False
                self.connecting = False
                data = b""
            else:
                data = self._shaken_by()
            if self._tls is not None:
                self.opening = not self._tls.shake_hands(data)
                return self._write(self.rest + self._tls.to_send())
        except BlockingIOError:
            return self._write(self.rest)
        except OSError:
            return False
        self.opening = False
        return True

    def _shaken_by(self) -> bytes:
        if data := self._receive(RECEIVE_BYTES):
            return data
        raise ConnectionResetError

    # -- sending and receiving ---------------------------------------------------------------------

    def send(self, data: bytes) -> bool:
        """Send a request as far as there is room; False where the connection is gone."""
        try:
            if self._tls is not None:
                data = self._tls.encrypt(data)
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return False
        if sent < len(data):
            self.rest = data[sent:]
        return True

    def send_rest(self) -> bool:
        """Send what is left; False where the connection is gone."""
        return self._write(self.rest)

    def _write(self, data: bytes) -> bool:
        if not data:
            return True
        try:
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return False
        if sent < len(data) or self.rest:
            self.rest = data[sent:]
        return True

    def receive(self) -> Answer | Broken | None:
        """What has come: an answer, None if there is more to come, or how the connection ended."""
        try:
            data = self._receive(RECEIVE_BYTES)
            if self._tls is not None and data:
                data = self._tls.decrypt(data)
                self._write(self.rest + self._tls.to_send())
                if not data and not self._tls.closed:
                    return None
                self.keeps = not self._tls.closed
        except BlockingIOError:
            return None
        except OSError as error:
            return Broken(self.status, pycurl.E_RECV_ERROR, error_text(error))
        reader = self._reader
        if not data:
            return (reader or AnswerReader()).ended()
        if reader is None:
            answer = plain_answer(data) if self.answers else None
            if answer is None:
                answer = whole_answer(data)
            if answer is not None:
                return answer
            reader = self._reader = AnswerReader()
        if (came := reader.take(data)) is not None:
            self.keeps = self.keeps and reader.keeps
            self._reader = None if isinstance(came, Answer) else reader
        return came


def error_text(error: OSError) -> str:
    """What the system or OpenSSL says."""
    reason = getattr(error, "reason", None) or (error.errno and os.strerror(error.errno))
    return str(reason or error)
