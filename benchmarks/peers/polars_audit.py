"""Plain polars: what eighteen audits find, counted over Parquet files by expressions written by hand.

    python polars_audit.py NOW FILE...

Those that need an ACL decoded, all ETags compared or keys normalized are left out.
"""

import json
import sys
from datetime import UTC, datetime, timedelta

import polars as pl

now = datetime.fromisoformat(sys.argv[1]).astimezone(UTC)
taken = datetime(2026, 11, 22, 1, tzinfo=UTC)
c = pl.col
MINIMUM_SIZE, KEY_BYTES_MAX = 128 * 1024, 900
IA_AND_INSTANT = ["STANDARD_IA", "ONEZONE_IA", "GLACIER_IR"]
DEAR = ["STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA"]
alive = ~c.is_delete_marker
told = alive & c.encryption_status.is_not_null()
ends = c.object_lock_retain_until_date
CONDITIONS = {
    "not-encrypted": alive & (c.encryption_status == "NOT-SSE"),
    "customer-key": alive & (c.encryption_status == "SSE-C"),
    "bucket-key-off": alive & (c.encryption_status == "SSE-KMS") & (c.bucket_key_status == "DISABLED"),
    "replication-failed": told & (c.replication_status == "FAILED"),
    "replication-pending": told & (c.replication_status == "PENDING")
    & (c.last_modified_date < taken - timedelta(hours=24)),
    "retention-ending": told & (ends > now) & (ends <= now + timedelta(days=30)),
    "legal-hold": told & (c.object_lock_legal_hold_status.str.to_uppercase() == "ON"),
    "no-checksum": alive & (c.checksum_algorithm.fill_null("") == ""),
    "weak-checksum": alive & c.checksum_algorithm.is_in(["MD5", "SHA1", "CRC32", "CRC32C"]),
    "archive-candidate": alive & c.storage_class.is_in(DEAR)
    & (c.size >= MINIMUM_SIZE) & (c.last_modified_date < now - timedelta(days=180)),
    "below-minimum-size": alive & c.storage_class.is_in(IA_AND_INSTANT) & (c.size < MINIMUM_SIZE),
    "noncurrent-version": alive & ~c.is_latest,
    "delete-marker": c.is_delete_marker,
    "empty-object": alive & (c.size == 0) & ~c.key.str.ends_with("/"),
    "double-slash": c.key.str.starts_with("/") | c.key.str.contains("//", literal=True),
    "long-key": c.key.str.len_bytes() > KEY_BYTES_MAX,
    "expiring": told & (c.lifecycle_expiration_date <= now + timedelta(days=7)),
    "future-date": alive & (c.last_modified_date > taken + timedelta(days=2)),
}  # fmt: skip
counted = (
    pl.scan_parquet(sys.argv[2:])
    .select(
        *(condition.sum().alias(name) for name, condition in CONDITIONS.items()),
        *(
            c.size.filter(condition).sum().alias(f"{name} bytes")
            for name, condition in CONDITIONS.items()
        ),
    )
    .collect(engine="streaming")
)
print(json.dumps({name: counted[name][0] for name in CONDITIONS}))
