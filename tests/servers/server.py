"""What every S3 server of the tests is to a test: an address and two users."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config

REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Server:
    """A running S3 server. `other` is a second user, who owns nothing that the first one made. `configuration` is the
    file by which a store's own tools find it, where it has such and the tests have started it.
    """

    endpoint_url: str
    access_key: str
    secret_key: str = field(repr=False)
    other_access_key: str
    other_secret_key: str = field(repr=False)
    configuration: str = ""

    def client(self, *, other: bool = False, **config: Any) -> Any:
        """A boto3 S3 client, path style, that sends no checksum unless an operation demands one."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.other_access_key if other else self.access_key,
            aws_secret_access_key=self.other_secret_key if other else self.secret_key,
            region_name=REGION,
            config=Config(
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                **config,
            ),
        )

    def environment(self, *, other: bool = False) -> dict[str, str]:
        """The AWS_* variables with which a command line reaches this server."""
        return {
            "AWS_ACCESS_KEY_ID": self.other_access_key if other else self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.other_secret_key if other else self.secret_key,
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_DEFAULT_REGION": REGION,
        }
