"""TLS over a socket that somebody else reads and writes, trusting what libcurl trusts in the same place."""

from __future__ import annotations

import ssl

_PIECE_BYTES = 64 * 2**10


def tls_context(verify: bool | str) -> ssl.SSLContext:  # noqa: FBT001 - as libraries have it
    """What connections have in common. `verify` is False, or the path of a file with the certificates to trust.

    `ssl.create_default_context` is not used: it refuses what libcurl takes (ciphers and chains of old appliances), and
    writes session keys where the environment says.

    Raises:
        OSError: the file cannot be read, or holds no certificates.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("DEFAULT")
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif isinstance(verify, str):
        context.load_verify_locations(cafile=verify)
    else:
        context.load_default_certs()
    return context


class Tls:
    """One connection's TLS: bytes in, bytes out. Whatever it has to say to the other side waits in `to_send`."""

    __slots__ = ("_incoming", "_object", "_outgoing", "closed")

    def __init__(
        self, context: ssl.SSLContext, host: str, session: ssl.SSLSession | None = None
    ) -> None:
        """`host` is what the certificate must be for. A ValueError where that is no name."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = host.removesuffix(".")
        self._object = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=name, session=session
        )
        self.closed = False  # the other side has said that it sends no more

    @property
    def session(self) -> ssl.SSLSession | None:
        """What saves the next connection half of the work of shaking hands."""
        return self._object.session

    def to_send(self) -> bytes:
        """What the other side has to be told."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def shake_hands(self, data: bytes) -> bool:
        """Go on shaking hands with what has come; whether they are shaken.

        Raises:
            OSError: they never will be.
        """
        self._incoming.write(data)
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def encrypt(self, data: bytes) -> bytes:
        """What stands for `data` on the wire.

        Raises:
            OSError: nothing can be said any more.
        """
        self._object.write(data)
        return self._outgoing.read()

    def decrypt(self, data: bytes) -> bytes:
        """What `data` from the wire stands for, as far as it is whole.

        Raises:
            OSError: it stands for nothing, or is an alert.
        """
        self._incoming.write(data)
        pieces = []
        try:
            while piece := self._object.read(_PIECE_BYTES):
                pieces.append(piece)
            self.closed = True
        except ssl.SSLWantReadError:
            pass
        return b"".join(pieces)
