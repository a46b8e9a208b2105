"""Headless Chromium, driven by the WebDriver protocol of its own chromedriver.

What a page logs and what it asks the network for is part of what a test can see.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ANSWER_S_MAX = 180
PACKAGES = {"chromium": "chromium", "chromedriver": "chromium-driver"}
# Tests run as root in containers, where Chromium's sandbox cannot.
_ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--window-size=1200,1000",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's own name for it


def missing_browser_packages() -> list[str]:
    """The Debian packages that are not there."""
    return [package for program, package in PACKAGES.items() if shutil.which(program) is None]


@dataclass(frozen=True, slots=True)
class Browser:
    """A session of a browser."""

    url: str

    def open(self, page: Path) -> None:
        """Load a file; what the page before it logged and asked for is forgotten."""
        self.logged()
        self.requests()
        self._post("url", {"url": page.as_uri()})

    def run(self, script: str) -> Any:
        """What a script returns. The policy of a page holds for the page, not for this."""
        return self._post("execute/sync", {"script": script, "args": []})

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, on whatever has the focus."""
        strokes = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._post("actions", {"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]})

    def resize(self, width: int) -> None:
        """Show pages as wide as this, in CSS pixels: Chromium's own window has a least width."""
        metrics = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        command = {"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics}
        self._post("goog/cdp/execute", command)

    def printed(self) -> bytes:
        """The page as a PDF."""
        import base64  # noqa: PLC0415 - only here

        return base64.b64decode(self._post("print", {}))

    def logged(self) -> list[str]:
        """What was logged since this was last asked: errors, and violations of the policy."""
        return [entry["message"] for entry in self._post("se/log", {"type": "browser"})]

    def requests(self) -> list[str]:
        """The addresses that were asked for since this was last asked, the page's own included."""
        messages = [
            json.loads(entry["message"])["message"]
            for entry in self._post("se/log", {"type": "performance"})
        ]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def _post(self, command: str, document: object) -> Any:
        return _call("POST", f"{self.url}/{command}", document)


@contextmanager
def running_browser(log: Path) -> Iterator[Browser]:
    """A browser with an empty profile; chromedriver's log goes to a file."""
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=errors, text=True
        ) as driver,
    ):
        try:
            server = f"http://127.0.0.1:{_port(driver)}"
            session = _call("POST", f"{server}/session", {"capabilities": _capabilities()})
            browser = Browser(f"{server}/session/{session['sessionId']}")
            yield browser
            _call("DELETE", browser.url, None)
        finally:
            driver.terminate()


def _port(driver: subprocess.Popen[str]) -> int:
    assert driver.stdout is not None
    for line in driver.stdout:
        if found := re.search(r"started successfully on port (\d+)", line):
            return int(found[1])
    raise AssertionError("chromedriver ended before it could be asked")


def _capabilities() -> dict[str, object]:
    options = {"args": _ARGUMENTS, "binary": shutil.which("chromium")}
    logs = {"browser": "ALL", "performance": "ALL"}
    return {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": logs}}


def _call(method: str, url: str, document: object) -> Any:
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=ANSWER_S_MAX) as answer:
        return json.load(answer)["value"]
