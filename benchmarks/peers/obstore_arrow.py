"""obstore: list a bucket into Arrow batches of 1,000 rows, and let go of them: `obstore_arrow.py URL BUCKET`."""

import sys

import obstore
from obstore.store import S3Store

url, bucket = sys.argv[1:3]
store = S3Store(
    bucket,
    endpoint=url,
    region="eu-central-1",
    skip_signature=True,
    client_options={"allow_http": True},
)
print(sum(batch.num_rows for batch in obstore.list(store, chunk_size=1000, return_arrow=True)))
