"""Credentials that expire under botocore's hands: fetched anew, and the request is sent once more.

botocore refreshes in time what says when it expires. A token that is withdrawn earlier, or stands in
a file that somebody rewrites, it goes on using. These hooks act on single requests, so that an
upload of many parts goes on where it was.
"""

from __future__ import annotations

import threading
from typing import Any

from botocore.credentials import Credentials
from botocore.hooks import BaseEventHooks

from stocktake.store.connection import Connection

_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
_HEADS, _BAD_REQUEST = frozenset({"HeadBucket", "HeadObject"}), 400
_USED, _TRIED = "stocktake_credentials", "stocktake_renewal_tried"  # in a request's context


class Renewal:
    """The hooks of one client. They may be called from several threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._renewing = threading.Lock()
        self._renewed: Credentials | None = None

    def attach(self, events: BaseEventHooks) -> None:
        """Watch the client that `events` belongs to."""
        events.register("before-sign.s3", self._sign_with_renewed)
        events.register_first("needs-retry.s3", self._renew_once)  # type: ignore[arg-type]

    def _sign_with_renewed(self, request: Any, **_: object) -> None:
        if self._renewed is not None:
            request.context.setdefault("signing", {})["request_credentials"] = self._renewed
            request.context[_USED] = self._renewed

    def _renew_once(
        self, response: Any, operation: Any, request_dict: dict[str, Any], **_: object
    ) -> int | None:
        """0, to send the request again at once, where new credentials may help; else None."""
        context = request_dict["context"]
        if response is None or _TRIED in context or not _expired(response, operation.name):
            return None
        context[_TRIED] = True
        with self._renewing:
            # Several parts fail together; the first to come here fetches for all of them.
            if self._renewed is context.get(_USED):
                found = self._connection.renew_credentials()
                if found is None:
                    return None
                self._renewed = Credentials(found.access_key, found.secret_key, found.token or None)
        return 0


def _expired(response: Any, operation: str) -> bool:
    answer, parsed = response
    if parsed.get("Error", {}).get("Code") in _EXPIRED:
        return True
    # The answer to a HEAD has no body that could say so.
    return operation in _HEADS and answer.status_code == _BAD_REQUEST
