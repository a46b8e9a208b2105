"""The built-in audits: ONE table, in the order in which they are told.

What holds of AWS is from the S3 User Guide: S3 Bucket Keys go with SSE-KMS alone, three storage classes
charge an object as if it had 128 KiB at least, an ETag is no digest of the content of objects that
KMS or a customer's key encrypts.
"""

from __future__ import annotations

from stocktake.analysis.audits.audit import Audit, Severity

_GROUPS = "http://acs.amazonaws.com/groups/global/"
# Of RE2: C0 and C1 control characters and DEL. Braces are doubled, for names in single ones are filled in.
_CONTROL = r"[\x00-\x1f\x7f\x{{80}}-\x{{9f}}]"
_STORED = "bytes * {price} / {gb}"
_COSTS = "what they cost"

PACK: tuple[Audit, ...] = (
    Audit(
        "not-encrypted", "encryption",
        "Which objects are stored without encryption?",
        Severity.HIGH, ("EncryptionStatus",),
        "{encryption_status} = 'NOT-SSE'",
        "Copy them onto themselves with encryption, by a batch job over the manifest, and set default encryption on the"
        " bucket.",
        certain=("EncryptionStatus",),
    ),
    Audit(
        "customer-key", "encryption",
        "Which objects are encrypted with a key that only a customer has (SSE-C)?",
        Severity.MEDIUM, ("EncryptionStatus",),
        "{encryption_status} = 'SSE-C'",
        "Make sure that the keys are kept: whoever loses one loses the object. Rewrite them with SSE-KMS where that is"
        " not wanted.",
        certain=("EncryptionStatus",),
    ),
    Audit(
        "wrong-encryption", "encryption",
        "Which objects are encrypted otherwise than expected, such as SSE-S3 where SSE-KMS should be?",
        Severity.HIGH, ("EncryptionStatus",),
        "{encryption_status} NOT IN ({expected})",
        "Copy them onto themselves with the encryption that is expected, and set it as the bucket's default.",
        certain=("EncryptionStatus",),
        expects="encryption",
    ),
    Audit(
        "wrong-kms-key", "encryption",
        "Which objects are encrypted with another KMS key than expected?",
        Severity.HIGH, ("EncryptionStatus", "KmsKeyArn"),
        "{encryption_status} IN ('SSE-KMS', 'DSSE-KMS') AND {kms_key_arn} NOT IN ({expected})",
        "Copy them onto themselves with the right key; until then whoever may use the other key can read them.",
        expects="kms_keys",
    ),
    Audit(
        "bucket-key-off", "encryption",
        "Which objects encrypted with KMS do without an S3 Bucket Key, so that each request calls KMS?",
        Severity.LOW, ("EncryptionStatus", "BucketKeyStatus"),
        "{encryption_status} = 'SSE-KMS' AND {bucket_key_status} = 'DISABLED'",
        "Enable the Bucket Key on the bucket, and copy the objects onto themselves.",
        certain=("EncryptionStatus", "BucketKeyStatus"),
    ),
    Audit(
        "replication-failed", "replication",
        "Which objects failed to be replicated?",
        Severity.HIGH, ("ReplicationStatus",),
        "replication_status = 'FAILED'",
        "Mend the cause (permissions, keys, the destination), then replicate them by S3 Batch Replication.",
        certain=(),
    ),
    Audit(
        "replication-pending", "replication",
        "Which objects had been waiting for replication for too long when the report was taken?",
        Severity.MEDIUM, ("ReplicationStatus", "LastModifiedDate"),
        "replication_status IS NOT DISTINCT FROM 'PENDING'"
        " AND last_modified_date < {taken} - INTERVAL {replication_pending_hours} HOUR",
        "Look at the replication rule's metrics and the destination; nothing replicates what waits for good.",
        certain=("LastModifiedDate",),
    ),
    Audit(
        "not-replicated", "replication",
        "Which objects that should be replicated are not?",
        Severity.MEDIUM, ("ReplicationStatus",),
        "coalesce(replication_status, '') NOT IN ('COMPLETED', 'COMPLETE', 'REPLICA', 'PENDING', 'FAILED')",
        "A rule replicates only what is written after it: replicate older objects by S3 Batch Replication.",
        certain=(),
        expects="replication",
    ),
    Audit(
        "not-locked", "object lock",
        "Which objects that should be locked are not, or no longer, or in a weaker mode?",
        Severity.HIGH, ("ObjectLockMode", "ObjectLockRetainUntilDate"),
        "upper(coalesce(object_lock_mode, '')) NOT IN ({expected})"
        " OR coalesce(object_lock_retain_until_date <= {now}, true)",
        "Set the retention by a batch job over the manifest, and a default retention on the bucket.",
        certain=(),
        expects="object_lock",
    ),
    Audit(
        "retention-ending", "object lock",
        "Which objects' retention ends within days?",
        Severity.MEDIUM, ("ObjectLockRetainUntilDate",),
        "object_lock_retain_until_date > {now}"
        " AND object_lock_retain_until_date <= {now} + INTERVAL {retention_ending_days} DAY",
        "Extend the retention of what must stay, by a batch job over the manifest.",
        certain=(),
    ),
    Audit(
        "legal-hold", "object lock",
        "Which objects are under a legal hold?",
        Severity.INFO, ("ObjectLockLegalHoldStatus",),
        "object_lock_legal_hold_status IN ('ON', 'On', 'oN', 'on')",  # half of what upper() costs
        "Take the hold off those whose case is closed; until then nobody can delete them.",
        certain=(),
    ),
    Audit(
        "public-grant", "access",
        "Which objects does their ACL open to everybody, or to everybody with an AWS account?",
        Severity.HIGH, ("ObjectAccessControlList",),
        f"CASE WHEN {{acl}}.status = 'AVAILABLE' THEN len(list_filter({{acl}}.grants, lambda g:"
        f" g.uri IN ('{_GROUPS}AllUsers', '{_GROUPS}AuthenticatedUsers'))) > 0 END",
        "Block public access on the bucket, or disable ACLs (bucket owner enforced).",
    ),
    Audit(
        "foreign-grant", "access",
        "Which objects does their ACL open to users who are neither the owner nor expected?",
        Severity.MEDIUM, ("ObjectAccessControlList", "ObjectOwner"),
        "CASE WHEN {acl}.status = 'AVAILABLE' AND {object_owner} <> 'UNAVAILABLE' THEN len(list_filter({acl}.grants,"
        " lambda g: g.type = 'CanonicalUser' AND g.canonicalId NOT IN (object_owner, {expected}))) > 0 END",
        "Write policies in place of grants and disable ACLs, or name the users in the policy file.",
        expects="grantees", unless=("",),
    ),
    Audit(
        "foreign-owner", "access",
        "Which objects belong to somebody who is not expected to own any?",
        Severity.HIGH, ("ObjectOwner",),
        "nullif({object_owner}, 'UNAVAILABLE') NOT IN ({expected})",
        "Enforce the bucket owner's ownership, or have the owners copy them with bucket-owner-full-control.",
        expects="owners",
    ),
    Audit(
        "no-checksum", "checksums",
        "Which objects have no checksum beside their ETag?",
        Severity.LOW, ("ChecksumAlgorithm",),
        "checksum_algorithm IS NULL OR checksum_algorithm = ''",
        "Have the store reckon one: copy them onto themselves with a checksum algorithm.",
        certain=(),
    ),
    Audit(
        "weak-checksum", "checksums",
        "Which objects have checksums of weak algorithms alone?",
        Severity.LOW, ("ChecksumAlgorithm",),
        # Where an object has several, they stand in one value: CRC32,SHA256. Lists cost ten times what a value does.
        "checksum_algorithm IN ({weak_checksums}) OR (contains(checksum_algorithm, ',')"
        " AND len(list_filter(string_split(checksum_algorithm, ','), lambda name: trim(name) NOT IN"
        " ({weak_checksums}))) = 0)",
        "Copy them onto themselves with SHA256 or CRC64NVME, as the purpose asks for.",
        certain=(),
    ),
    Audit(
        "archive-candidate", "cost",
        "Which objects are old and big, and in a class that costs more than an archive?",
        Severity.INFO, ("Size", "LastModifiedDate", "StorageClass"),
        "{storage_class} IN ({archive_from}) AND size >= {archive_size_min}"
        " AND last_modified_date < {now} - INTERVAL {archive_after_days} DAY",
        "Move them by a lifecycle rule, if nobody reads them; retrieval and an early end of storage cost, too.",
        certain=("StorageClass", "Size", "LastModifiedDate"),
        money=f"{_STORED} - bytes * {{archive_price}} / {{gb}} - objects * {{archive_monitoring}} / 1000",
        money_means="what moving them to {archive_class} saves in storage{archive_terms}",
    ),
    Audit(
        "below-minimum-size", "cost",
        "Which objects are smaller than the least that their storage class charges for?",
        Severity.LOW, ("Size", "StorageClass"),
        "{storage_class} IN ({minimum_size_classes}) AND size < {minimum_size}",
        "Keep small objects in STANDARD or INTELLIGENT_TIERING, or pack them together.",
        certain=("StorageClass", "Size"),
        money="({minimum_size} * objects - bytes) * {price} / {gb}",
        money_means="what is charged for bytes that are not there",
    ),
    Audit(
        "noncurrent-version", "cost",
        "Which versions are not the latest of their key?",
        Severity.INFO, ("IsLatest",),
        "NOT is_latest",
        "Expire them by a lifecycle rule for noncurrent versions.",
        certain=("IsLatest",),
        money=_STORED, money_means=_COSTS,
    ),
    Audit(
        "delete-marker", "cost",
        "Which versions are delete markers?",
        Severity.INFO, ("IsDeleteMarker",),
        "is_delete_marker",
        "Remove those with nothing behind them by a lifecycle rule (ExpiredObjectDeleteMarker).",
        certain=("IsDeleteMarker",),
        of_markers=True,
    ),
    Audit(
        "duplicate", "cost",
        "Which objects are alike in ETag and size, so that all but one of each may be copies?",
        Severity.INFO, ("Size", "ETag"),
        "CASE WHEN size = 0 THEN false WHEN {e_tag} IS NOT NULL AND size IS NOT NULL THEN (e_tag, size) IN"
        # One group without an ETag among them, and SQL's IN could tell of no other row of that size.
        " (SELECT e_tag, size FROM inventory_report WHERE size > 0 AND e_tag <> '' GROUP BY ALL HAVING count(*) > 1)"
        " END",
        "Compare before removing any. Copies that KMS or a customer's key encrypts have ETags of their own and are not"
        " among these.",
        money=_STORED, money_means="what they cost, the one to keep of each included",
    ),
    Audit(
        "empty-object", "cost",
        "Which objects hold no bytes, and are no folder markers?",
        Severity.INFO, ("Size",),
        "size = 0 AND NOT ends_with(key, '/')",
        "Find out who writes them: an upload that failed may leave an empty object.",
        certain=("Size",),
    ),
    Audit(
        "control-character", "keys",
        "Which keys hold control characters?",
        Severity.MEDIUM, (),
        f"regexp_matches(key, '{_CONTROL}')",
        "Rename them (copy, then delete): many tools cannot name them, and XML cannot carry them.",
        certain=(),
        of_markers=True,
    ),
    Audit(
        "double-slash", "keys",
        "Which keys begin with a slash or hold two in a row?",
        Severity.LOW, (),
        # LIKE costs a tenth of starts_with.
        "key LIKE '/%' OR contains(key, '//')",
        "Rename them: file systems, consoles and clients take such keys for others.",
        certain=(),
        of_markers=True,
    ),
    Audit(
        "not-nfc", "keys",
        "Which keys are not in Unicode's normal form NFC, so that they look like others?",
        Severity.LOW, (),
        "strlen(key) <> length(key) AND nfc_normalize(key) <> key",
        "Rename them, and have clients (macOS among them) normalize before they upload.",
        certain=(),
        of_markers=True,
    ),
    Audit(
        "long-key", "keys",
        "Which keys are so long that little can be added to them?",
        Severity.LOW, (),
        "strlen(key) > {key_bytes_max}",
        "Shorten them: S3 ends at 1,024 bytes, and copies below another prefix no longer fit.",
        certain=(),
        of_markers=True,
    ),
    Audit(
        "expiring", "dates",
        "Which objects will a lifecycle rule expire within days?",
        Severity.INFO, ("LifecycleExpirationDate",),
        "lifecycle_expiration_date <= {now} + INTERVAL {expiring_days} DAY",
        "Copy what must stay, or narrow the rule, before that day.",
        certain=(),
    ),
    Audit(
        "future-date", "dates",
        "Which objects were last modified later than the report was finished?",
        Severity.MEDIUM, ("LastModifiedDate",),
        "last_modified_date > {finished}",
        "Set the store's clock right; rules that reckon with an age pass such objects by.",
        certain=("LastModifiedDate",),
    ),
)  # fmt: skip

BY_NAME: dict[str, Audit] = {audit.name: audit for audit in PACK}
