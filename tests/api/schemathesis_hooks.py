"""What schemathesis needs to know to ask the API: how requests are signed, and what is there to be asked for.

It runs in an environment of its own.
"""

from __future__ import annotations

import json
import os
import zlib
from typing import Any

import requests
import schemathesis
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from requests.auth import AuthBase


class Signed(AuthBase):
    """Sign a request as it is sent, with the keys in the environment."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        signer = ReadOnlyCredentials(*(os.environ[name] for name in names), None)
        body: Any = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        asked = AWSRequest(request.method, request.url, {}, body)
        S3SigV4Auth(signer, "s3", "us-east-1").add_auth(asked)
        request.headers.update(dict(asked.headers.items()))
        return request


KNOWN: dict[str, str] = json.loads(os.environ.get("KNOWN", "{}"))


@schemathesis.hook
def map_path_parameters(
    _context: object, path_parameters: dict[str, Any] | None
) -> dict[str, Any] | None:
    """Put what is there in place of half of what was made up."""
    if not path_parameters or zlib.crc32(repr(path_parameters).encode()) % 2:
        return path_parameters
    return {name: KNOWN.get(name, value) for name, value in path_parameters.items()}


schemathesis.auth.set_from_requests(Signed())
