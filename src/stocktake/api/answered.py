"""One line of the log for each request, without its query: presigned URLs stand there."""

from __future__ import annotations

import logging

from stocktake.api.bodies import Message

_log = logging.getLogger(__name__)


def log_answer(request_id: str, scope: Message, status: int, who: str) -> None:
    """Tell who asked what, and how that was answered; `who` is the access key, or the Id of the token."""
    about = {
        "request": request_id,
        "method": scope["method"],
        "path": scope["raw_path"].decode("latin-1"),
        "status": status,
        "key": who,
    }
    _log.info("%s %s %a %d %s", *about.values(), extra=about)
