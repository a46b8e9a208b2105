"""The S3 Inventory API: PutBucketInventoryConfiguration, Get, List and Delete, as AWS answers them.

The order in which a request is judged: whether its signature holds, what it asks, whether its body is bounded and the
one that was signed; and then, in the use cases, whether its key may, whether the bucket is there, whether the document
is well. So nobody unknown makes us read a body, ask the store or the ledger.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TypeAlias

from anyio import to_thread

from stocktake.api.answered import log_answer
from stocktake.api.bodies import GoneError, Message, Receive, Send, read_body
from stocktake.api.failures import RequestError, answer_for, error_document
from stocktake.api.requests import Question, read_question, received
from stocktake.model.access import Grant
from stocktake.model.errors import NotAllowedError
from stocktake.model.stored import ConfigurationKey
from stocktake.model.xml import render_configuration_xml, render_configurations_xml
from stocktake.service.access import Sender, authenticate, check_body
from stocktake.service.commands import configurations as commands
from stocktake.service.serving import Service

_log = logging.getLogger(__name__)

Answer: TypeAlias = tuple[int, bytes]
Operation: TypeAlias = Callable[[Service, Grant, Question, bytes], Answer]


async def answer_inventory(service: Service, scope: Message, receive: Receive, send: Send) -> None:
    """Answer one request about inventory configurations, an ASGI one."""
    request_id = secrets.token_hex(8).upper()
    sender: list[Sender] = []
    try:
        status, body = await _answer(service, scope, receive, sender)
    except GoneError:
        return
    except Exception as error:  # noqa: BLE001 - a mistake of ours is answered as one, and logged
        code, status, message = answer_for(error)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error(
                "request %s failed: %s: %s",
                request_id,
                code,
                error,
                exc_info=code == "InternalError",
            )
        body = error_document(code, message, request_id)
    log_answer(request_id, scope, status, sender[0].key.access_key if sender else "-")
    await _send(send, scope, status, body, request_id)


async def _answer(
    service: Service, scope: Message, receive: Receive, sender: list[Sender]
) -> Answer:
    request = received(scope)
    sender.append(authenticate(request, service.keys(), service.now()))
    question = read_question(request, service.sites)
    operation = _operation(question)
    body = await read_body(receive, request.headers)
    check_body(sender[0], body, request.headers.get("content-md5"))
    return await to_thread.run_sync(operation, service, sender[0].key.grant, question, body)


async def _send(send: Send, scope: Message, status: int, body: bytes, request_id: str) -> None:
    headers = [(b"x-amz-request-id", request_id.encode()), (b"server", b"stocktake")]
    if body:
        headers.append((b"content-type", b"application/xml"))
    if status != HTTPStatus.NO_CONTENT:
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    shown = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.body", "body": shown})


# -- the operations --------------------------------------------------------------------------------


def _put(service: Service, grant: Grant, question: Question, body: bytes) -> Answer:
    commands.submit_configuration(service.desk, grant, _key(question), body)
    return HTTPStatus.NO_CONTENT, b""


def _get(service: Service, grant: Grant, question: Question, _body: bytes) -> Answer:
    stored = commands.get_configuration(service.desk, grant, _key(question))
    return HTTPStatus.OK, render_configuration_xml(stored.configuration)


def _list(service: Service, grant: Grant, question: Question, _body: bytes) -> Answer:
    page = commands.list_configurations(
        service.desk, grant, question.site.name, question.bucket, question.token
    )
    body = render_configurations_xml(
        [stored.configuration for stored in page.configurations],
        continuation_token=question.token,
        next_token=page.next_token,
    )
    return HTTPStatus.OK, body


def _delete(service: Service, grant: Grant, question: Question, _body: bytes) -> Answer:
    commands.delete_configuration(service.desk, grant, _key(question))
    return HTTPStatus.NO_CONTENT, b""


# By the method, and whether the request says an Id.
_OPERATIONS: Mapping[tuple[str, bool], Operation] = {
    ("PUT", True): _put,
    ("GET", True): _get,
    ("GET", False): _list,
    ("DELETE", True): _delete,
}


def _operation(question: Question) -> Operation:
    """What `question` asks for.

    Raises:
        RequestError: nothing that there is.
        NotAllowedError: it expects another owner of the bucket, or one that we cannot tell.
    """
    operation = _OPERATIONS.get((question.method, question.identity is not None))
    if operation is None:
        known = (question.method, True) in _OPERATIONS
        raise RequestError("InvalidArgument" if known else "MethodNotAllowed")
    if question.expected_owner not in (None, question.site.account):
        raise NotAllowedError(f"the bucket is not known to be owned by {question.expected_owner}")
    return operation


def _key(question: Question) -> ConfigurationKey:
    return ConfigurationKey(question.site.name, question.bucket, question.identity or "")
