"""boto3: send HEAD for each key of a file, one after the other, and print a line of CSV for each:
`boto3_heads.py URL BUCKET KEYS`. One thread, because several of them cost more CPU time a request, not less.
"""

import csv
import sys
from pathlib import Path

import boto3
from botocore import UNSIGNED
from botocore.config import Config

url, bucket, keys = sys.argv[1:4]
client = boto3.client("s3", endpoint_url=url, config=Config(signature_version=UNSIGNED))
write = csv.writer(sys.stdout).writerow
for key in Path(keys).read_text().splitlines():
    head = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    write((
        key, head["ReplicationStatus"], head["ServerSideEncryption"], head["SSEKMSKeyId"],
        head["BucketKeyEnabled"], head["ObjectLockMode"], head["ObjectLockRetainUntilDate"].isoformat(),
        head["ObjectLockLegalHoldStatus"], head["Expiration"], head["ContentType"],
        head["ChecksumCRC64NVME"], head["Metadata"],
    ))  # fmt: skip
