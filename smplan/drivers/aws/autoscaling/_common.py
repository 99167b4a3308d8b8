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
