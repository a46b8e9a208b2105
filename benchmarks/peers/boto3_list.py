"""boto3: list a bucket with the paginator, and print a line of CSV for each object: `boto3_list.py URL BUCKET`."""

import csv
import sys

import boto3
from botocore import UNSIGNED
from botocore.config import Config

url, bucket = sys.argv[1:3]
client = boto3.client("s3", endpoint_url=url, config=Config(signature_version=UNSIGNED))
write = csv.writer(sys.stdout).writerow
for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
    for found in page["Contents"]:
        write((
            found["Key"], found["Size"], found["LastModified"].isoformat(), found["ETag"],
            found["StorageClass"], found["ChecksumAlgorithm"][0],
        ))  # fmt: skip
