"""Buckets of AWS, or of a cloud on this machine, by the credentials and the endpoint of the environment."""

from __future__ import annotations

from ionfleet.store import ObjectStore

SCHEME = "s3://"


def split(address: str) -> tuple[str, str]:
    """Return bucket and key (or prefix) of an address `s3://bucket/key`."""
    bucket, _, key = address.removeprefix(SCHEME).partition("/")
    return bucket, key


def open_bucket(name: str) -> ObjectStore:
    """Return a bucket; it has to belong to the account whose credentials the environment has."""
    import boto3

    from ionfleet_aws.stores import S3Store

    account = str(boto3.client("sts").get_caller_identity()["Account"])
    return S3Store(boto3.client("s3"), name, owner=account)
