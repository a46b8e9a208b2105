"""Telling targets what became of runs: beside the runs, so that whoever is slow to listen holds up none of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from http import HTTPStatus

from stocktake.model.errors import InventoryError
from stocktake.model.notifications import (
    Notice,
    NoticeState,
    Webhook,
    forbidden_address,
    render_notice,
    signed_headers,
)
from stocktake.service import house
from stocktake.state.notices import Notices
from stocktake.store.posting import post

_log = logging.getLogger("stocktake")

POLL_S = 1.0  # between two looks for a notice, while there is none
FAILED_POLL_S_MAX = 30.0


def notify_until(
    stop: threading.Event, notices: Notices, target: Webhook, all_targets: Sequence[Webhook]
) -> None:
    """Tell `target` what it is to be told until `stop` is set. What is under way then is left to whoever comes next."""
    failures = 0
    while not stop.is_set():
        try:
            notices.spread(all_targets)
            notice = notices.claim(target.name)
            if notice is not None:
                tell(stop, notices, target, notice)
            failures = 0
            if notice is not None:
                continue
        except InventoryError as error:
            failures += 1
            _log.warning("nobody can be told what became of runs: %s", error)
        except Exception:  # noqa: BLE001 - a defect in one notice must not end all others
            failures += 1
            _log.exception("a notice for the webhook %s ended by a defect", target.name)
        stop.wait(min(POLL_S * 2 ** min(failures, 10), FAILED_POLL_S_MAX))


def tell(stop: threading.Event, notices: Notices, target: Webhook, notice: Notice) -> None:
    """Send one notice, and note what came of it.

    Raises:
        LedgerError: that cannot be noted; the notice is sent again in a while.
    """
    body = render_notice(notice)
    headers = signed_headers(target.secret, notice.event, house.now(), body)
    forbidden = (lambda _address: "") if target.allow_local else forbidden_address
    answer = post(
        target.url,
        body,
        headers,
        ca_bundle=target.ca_bundle,
        forbidden=forbidden,
        stopping=stop.is_set,
    )
    if answer.stopped:
        notices.put_back(notice)
        return
    if answer.status is not None and HTTPStatus(200) <= answer.status < HTTPStatus(300):
        notices.delivered(notice, answer.status)
        _log.info("the webhook %s took the event %s", target.name, notice.event)
        return
    error = answer.error or f"it answered {answer.status}"
    if answer.status is not None and HTTPStatus(300) <= answer.status < HTTPStatus(400):
        error += ", and redirects are not followed"
    state = notices.refused(notice, answer.status, error)
    then = "it is given up" if state is NoticeState.FAILED else "it is sent again later"
    _log.warning(
        "the webhook %s did not take the event %s: %s; %s", target.name, notice.event, error, then
    )
