"""Limits that the Auto Scaling kinds share."""

from __future__ import annotations

NAMES = 50
"""How many names one Describe call takes (API reference)."""
PAGE = 100
"""The largest page the Describe calls give."""
GROUP_NAME = r"^[!-.0-9;-~]+$"
"""Printable ASCII without a space, and without the colon AWS forbids (API reference of CreateAutoScalingGroup).

The slash is left out too: a policy is known by ``group/name``.
"""
