"""Limits that the Auto Scaling kinds share."""

from __future__ import annotations

NAMES = 50
"""Maximum number of names in one Describe call (API reference)."""
PAGE = 100
"""The largest page of the Describe calls."""
GROUP_NAME = r"^[!-.0-9;-~]+$"
"""Printable ASCII without a space, and without the colon AWS forbids (API reference of CreateAutoScalingGroup).

The slash is excluded too: the id of a policy is ``group/name``.
"""
TEXT = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]*$"
"""What XML can carry: the pattern of nearly every text of Auto Scaling in its service model."""
TARGET_GROUP_ARN = r"^arn:[^\x00-\x20\ufffe\uffff]*$"
