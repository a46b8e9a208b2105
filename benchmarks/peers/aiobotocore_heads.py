"""aiobotocore: send HEAD for each key of a file, 32 at a time, and print a line of CSV for each:
`aiobotocore_heads.py URL BUCKET KEYS`.
"""

import asyncio
import csv
import sys
from pathlib import Path

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore import UNSIGNED

LANES = 32


async def main(url: str, bucket: str, keys: list[str]) -> None:
    write = csv.writer(sys.stdout).writerow
    wanted = iter(keys)
    config = AioConfig(signature_version=UNSIGNED, max_pool_connections=LANES)
    async with get_session().create_client("s3", endpoint_url=url, config=config) as client:

        async def lane() -> None:
            for key in wanted:
                head = await client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
                write((
                    key, head["ReplicationStatus"], head["ServerSideEncryption"], head["SSEKMSKeyId"],
                    head["BucketKeyEnabled"], head["ObjectLockMode"],
                    head["ObjectLockRetainUntilDate"].isoformat(), head["ObjectLockLegalHoldStatus"],
                    head["Expiration"], head["ContentType"], head["ChecksumCRC64NVME"], head["Metadata"],
                ))  # fmt: skip

        await asyncio.gather(*(lane() for _ in range(LANES)))


asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]).read_text().splitlines()))
