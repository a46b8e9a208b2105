"""Hostile requests to our own API: whatever is sent, to whichever route, the answer is a refusal or an answer."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.api.clients import client_program
from tests.api.serving import ADMIN, READER, WRITER, Api
from tests.api.test_inventory import WHOLE
from tests.api.test_v1 import ROOT, ROOT_FOLDER, document

REQUESTS = 1000
ODD = ["", "..", "%2e%2e", "%00", "%ff", "a" * 5000, "{id}", "%7B", "null", "-1", "default", "0", "1e9", "W10=",
       "WyIiXQ==", "WyIyMDI2LTExLTI2IiwgIiJd", "%F0%9F%98%80", "%27%22%3B--", "9" * 40]  # fmt: skip
BAD = [b"", b"null", b"[]", b"[" * 5000, b'{"Id":1}', b"\xff", b"1e999", b'{"a":' * 900, b'"\\ud800"', b"NaN",
       b'{"hour": 1e999}', b'{"hour": true}', b'{"keep_last": 9007199254740993}']  # fmt: skip
PARAMETERS = ("token", "limit", "state", "store", "bucket", "id", "x", "%00")


def query(rng: random.Random) -> str:
    """A few parameters, each perhaps twice, most of them odd."""
    count = rng.choice([0, 0, 1, 2, 4])
    return "&".join(f"{rng.choice(PARAMETERS)}={rng.choice(ODD)}" for _ in range(count))


def headers(rng: random.Random) -> dict[str, str]:
    """Headers that routes read, with odd values."""
    names = ("Last-Event-ID", "Content-Type", "Accept", "Content-MD5", "Range")
    values = ("", "x" * 500, "\u00e9", "*/*", "application/json", "text/event-stream", "0" * 16)
    return {name: rng.choice(values) for name in rng.sample(names, rng.choice([0, 0, 1, 2]))}


def test_a_thousand_hostile_requests_and_no_failure(api: Api, bucket: str) -> None:
    rng = random.Random(8)
    told = document(api.ask("GET", f"{ROOT}/openapi.json", key=None))
    routes = [(method.upper(), path) for path, item in told["paths"].items() for method in item]
    whole = json.dumps(WHOLE).encode()
    document(api.ask("PUT", f"{ROOT}/configurations/default/{bucket}/report1", whole))
    run = document(api.ask("POST", f"{ROOT}/configurations/default/{bucket}/report1/runs"), 201)[
        "run"
    ]
    document(api.ask("POST", f"{ROOT}/runs/{run}/cancel"))  # so that its events come to an end
    known = {"store": "default", "bucket": bucket, "id": "report1", "run": run, "token": "a" * 10}
    statuses: Counter[int] = Counter()
    went: set[tuple[str, str]] = set()
    for number in range(REQUESTS):
        if number % 10 == 0:  # somebody may have deleted it
            api.ask("PUT", f"{ROOT}/configurations/default/{bucket}/report1", whole)
        method, path = rng.choice(routes)
        parts = {name: rng.choice(ODD) if rng.random() < 0.2 else known[name] for name in known}
        target = f"{ROOT}{path.format(**parts)}"
        if said := query(rng):
            target += f"?{said}"
        body = b'{"hour": 3}' if path.endswith("options") else whole
        if rng.random() < 0.3:
            body = rng.choice(BAD)
        elif rng.random() < 0.5:
            at = rng.randrange(len(body))
            body = body[:at] + rng.choice(BAD)[:40] + body[at + rng.randint(0, 5) :]
        asked = rng.choice(["PUT", "DELETE", "POST", "PATCH"]) if rng.random() < 0.1 else method
        key = rng.choice([ADMIN, ADMIN, ADMIN, WRITER, READER, None])
        more = headers(rng)
        if key is None:
            more["Authorization"] = f"Bearer {rng.choice([*ODD, 'stk_a_b'])}"
        answer = api.ask(asked, target, body, key=key, headers=more)
        assert answer.status < 500, (asked, target, body, more, answer)
        statuses[answer.status] += 1
        if answer.status < 300:
            went.add((method, path))
    # It went deep: every route was answered, too, but those for which there is nothing left to do.
    assert {200, 201, 202, 204, 400, 401, 403, 404, 405} <= set(statuses), statuses
    spent = {
        ("DELETE", "/tokens/{token}"),
        ("POST", "/runs/{run}/cancel"),
        ("POST", "/runs/{run}/retry"),
    }
    assert set(routes) - went <= spent
    api.worker_beats()
    assert api.ask("GET", "/readyz", key=None).status == 200


CHECKS = "not_a_server_error,content_type_conformance,status_code_conformance,response_schema_conformance"


@pytest.mark.slow
def test_schemathesis_finds_no_failure_and_no_answer_that_is_not_described(
    api: Api, bucket: str, tmp_path: Path
) -> None:
    place = f"{ROOT}/configurations/default/{bucket}/report1"
    document(api.ask("PUT", place, json.dumps(WHOLE).encode()))
    run = document(api.ask("POST", f"{place}/runs"), 201)["run"]
    document(api.ask("POST", f"{ROOT}/runs/{run}/cancel"))
    known = {"store": "default", "bucket": bucket, "id": "report1", "run": run}
    signing = {"AWS_ACCESS_KEY_ID": ADMIN.access_key, "AWS_SECRET_ACCESS_KEY": ADMIN.secret_key}
    hooks = {"SCHEMATHESIS_HOOKS": "tests.api.schemathesis_hooks", "PYTHONPATH": str(ROOT_FOLDER)}
    hooks["KNOWN"] = json.dumps(known)
    asked = ["--phases", "coverage,fuzzing", "--checks", CHECKS, "--seed", "1", "-n", "30"]
    done = subprocess.run(
        [client_program("schemathesis"), "run", f"{api.endpoint_url}{ROOT}/openapi.json", *asked],
        env={**os.environ, **signing, **hooks},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    [cases] = re.findall(r"(\d+) generated", done.stdout)
    assert int(cases) >= REQUESTS
    api.worker_beats()
    assert api.ask("GET", "/readyz", key=None).status == 200
