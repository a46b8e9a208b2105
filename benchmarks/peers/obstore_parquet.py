"""obstore: list a bucket into Arrow, and write that to Parquet with pyarrow: `obstore_parquet.py URL BUCKET FILE`."""

import sys

import obstore
import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import S3Store

url, bucket, file = sys.argv[1:4]
store = S3Store(
    bucket,
    endpoint=url,
    region="eu-central-1",
    skip_signature=True,
    client_options={"allow_http": True},
)
# Batches of more rows than a page has make fewer, larger row groups.
batches = iter(obstore.list(store, chunk_size=100_000, return_arrow=True))
first = pa.record_batch(next(batches))
with pq.ParquetWriter(file, first.schema) as writer:
    writer.write_batch(first)
    for batch in batches:
        writer.write_batch(pa.record_batch(batch))
