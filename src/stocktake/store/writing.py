"""What is asked for with every object that is written, whoever sends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stocktake.model.configuration import Encryption

# Genuine reports do not show which types AWS sets. These are what browsers and tools expect; data
# files get S3's own default. No Content-Encoding on .csv.gz: clients would unpack it behind the
# back of who checks its MD5.
CONTENT_TYPES = {".json": "application/json", ".checksum": "text/plain", ".txt": "text/plain"}
CONTENT_TYPE_DEFAULT = "binary/octet-stream"


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """What is asked for with every object that is written."""

    encryption: Encryption | None = None
    owner_full_control: bool = False

    @property
    def kms_key_id(self) -> str | None:
        """The KMS key that is asked for."""
        return (
            self.encryption.sse_kms.key_id if self.encryption and self.encryption.sse_kms else None
        )

    @property
    def algorithm(self) -> str | None:
        """The value of x-amz-server-side-encryption that is asked for."""
        if self.kms_key_id is not None:
            return "aws:kms"
        return "AES256" if self.encryption and self.encryption.sse_s3 else None

    def arguments(self, key: str) -> dict[str, Any]:
        """The client's arguments for writing `key`; nothing is sent that was not asked for: some
        stores refuse it.
        """
        ending = next((ending for ending in CONTENT_TYPES if key.endswith(ending)), "")
        asked = {
            "ContentType": CONTENT_TYPES.get(ending, CONTENT_TYPE_DEFAULT),
            "ServerSideEncryption": self.algorithm,
            "SSEKMSKeyId": self.kms_key_id,
            "ACL": "bucket-owner-full-control" if self.owner_full_control else None,
        }
        return {name: value for name, value in asked.items() if value is not None}
