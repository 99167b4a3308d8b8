"""State in S3: the only place outside the AWS drivers and the sandbox that knows boto3. Every write is conditional."""

from smplan.stores.s3.bucket import connect
from smplan.stores.s3.store import S3Store

__all__ = ["S3Store", "connect"]
