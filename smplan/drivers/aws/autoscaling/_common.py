"""What the Auto Scaling kinds share: names in calls of at most 50, and what a group may be called."""

from __future__ import annotations

from collections.abc import Collection, Iterator

NAMES = 50
"""How many names one Describe call takes (API reference)."""
PAGE = 100
"""The largest page the Describe calls give."""
GROUP_NAME = r"^[!-.0-9;-~]+$"
"""Printable ASCII without a space, and without the colon AWS forbids (API reference of CreateAutoScalingGroup).

The slash is left out too: a policy is known by ``group/name``.
"""


def chunks(names: Collection[str]) -> Iterator[list[str]]:
    """``names`` sorted and cut into as many as one call takes; nothing for none, as an empty list would mean "all"."""
    ordered = sorted(names)
    return (ordered[start : start + NAMES] for start in range(0, len(ordered), NAMES))
