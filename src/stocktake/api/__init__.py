"""What stocktake answers over HTTP: AWS's S3 Inventory API, and whether it is well. Needs the extra `server`."""
