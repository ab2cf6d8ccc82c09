"""Benchmarks that compare the library with boto3, a generated SDK, and a minimal client."""
