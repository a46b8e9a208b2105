"""Floor 1: the only door to S3. pycurl, botocore, boto3 and fsspec are imported nowhere else."""
