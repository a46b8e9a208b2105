"""Benchmarks: a replay server of synthetic buckets, and what stocktake and its peers cost against it."""
