"""State in S3: objects written only under a condition, a lease as lock, and fencing of former holders.

Here belongs: everything that knows the S3 API for the sake of the state. Not here: AWS resources (``drivers.aws``), and
what is alike in every store (``stores``).
"""

from smplan.stores.s3.bucket import connect
from smplan.stores.s3.store import S3Store

__all__ = ["S3Store", "connect"]
