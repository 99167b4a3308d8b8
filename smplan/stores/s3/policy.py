"""A bucket policy that refuses unconditional writes of a state, by any program or person.

After "Enforce conditional writes on Amazon S3 buckets" in the Amazon S3 user guide:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
"""

from __future__ import annotations

import re

from smplan.core.values import Json

_OBJECTS = ("", ".lock", ".journal/*", ".history/*", ".moved/*")
"""What follows the key in the objects that smplan writes for a state."""


def policy(bucket: str, key: str, partition: str) -> dict[str, Json]:
    """The policy for the state at ``key``; ``partition`` is aws, aws-cn, ... It restricts these objects only.

    Parts of a multipart upload cannot carry a condition and are allowed (``s3:ObjectCreationOperation`` is false for
    them): completing the upload needs one. Deleting is not restricted.
    """
    arn = f"arn:{partition}:s3:::{bucket}"
    objects = [f"{arn}/{_literal(key)}{ending}" for ending in _OBJECTS]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "StateIsWrittenConditionally",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:PutObject",
                "Resource": objects,
                "Condition": {
                    "Null": {"s3:if-match": "true", "s3:if-none-match": "true"},
                    "Bool": {"s3:ObjectCreationOperation": "true"},
                },
            },
            {
                "Sid": "StateTravelsEncrypted",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, *objects],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ],
    }


def _literal(key: str) -> str:
    """``key`` with the characters that a policy would read as patterns written as themselves."""
    return re.sub(r"[*?$]", lambda found: f"${{{found[0]}}}", key)
