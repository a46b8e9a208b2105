"""What goes wrong, as our own API says it: RFC 9457, with S3's code as the title."""

from __future__ import annotations

import logging
from http import HTTPStatus

from fastapi.responses import JSONResponse

from stocktake.api.failures import answer_for
from stocktake.model.errors import InventoryError

MEDIA_TYPE = "application/problem+json"
CHALLENGE = 'Bearer error="invalid_token"'  # RFC 6750, 3

_log = logging.getLogger(__name__)


def problem(status: int, title: str, detail: str, **more: str) -> JSONResponse:
    """A refusal."""
    told = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    headers = {"www-authenticate": CHALLENGE} if status == HTTPStatus.UNAUTHORIZED else None
    return JSONResponse(told, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def problem_of(error: Exception) -> JSONResponse:
    """The refusal that `error` leads to: what is our fault is logged, and told without its reason."""
    code, status, message = answer_for(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error(
            "%s: %s", code, error, exc_info=None if isinstance(error, InventoryError) else error
        )
        return problem(status, code, message)
    detail = error.message if isinstance(error, InventoryError) else message
    hint = error.hint if isinstance(error, InventoryError) else ""
    return problem(status, code, detail or message, **({"hint": hint} if hint else {}))
