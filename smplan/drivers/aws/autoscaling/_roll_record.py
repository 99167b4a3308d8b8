"""The record of a roll-out that smplan carries out itself: two tags of the group.

They say what was raised and what to go back to, so that any later run, of any plan, goes on, goes back or restores it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smplan.drivers.aws import tags
from smplan.drivers.context import AwsAccount

TAG, FORMER_TAG = "smplan:roll-out", "smplan:roll-out-from"
_FORM = re.compile(r"min=(\d+) max=(\d+) serving=(\d+)(?: leaving=(i-\w+))?")


@dataclass(frozen=True)
class Record:
    """The sizes before it, how many instances it keeps serving, the former source, and the instance that leaves.

    One that failed when some instances were replaced serves none: what it raised is restored.
    """

    min_size: int
    max_size: int
    serving: int
    former: str
    leaving: str = ""

    def shown_sizes(self, group: Mapping[str, Any]) -> tuple[int, int]:
        """The group's minimum and maximum without what the roll-out has raised."""
        low, high = int(group["MinSize"]), int(group["MaxSize"])
        if not self.serving:
            return low, high
        raised_low = low in (self.serving, self.serving + 1) and low > self.min_size
        raised_high = high == self.serving + 1 and high > self.max_size
        return (self.min_size if raised_low else low), (self.max_size if raised_high else high)


def of(group: Mapping[str, Any]) -> Record | None:
    """The record of the roll-out under way in the described group; None if there is none."""
    found = tags.plain(group.get("Tags"))
    parts = _FORM.fullmatch(found.get(TAG, ""))
    if parts is None:
        return None
    low, high, serving, leaving = parts.groups()
    return Record(int(low), int(high), int(serving), found.get(FORMER_TAG, ""), leaving or "")


def write(aws: AwsAccount, name: str, record: Record) -> None:
    """Keep the record, in one request."""
    sizes = f"min={record.min_size} max={record.max_size} serving={record.serving}"
    leaving = f" leaving={record.leaving}" if record.leaving else ""
    wanted = {TAG: sizes + leaving, FORMER_TAG: record.former}
    request: list[Any] = [{**_place(name), **tag} for tag in tags.listed(wanted)]
    aws.write.autoscaling.create_or_update_tags(Tags=request)


def erase(aws: AwsAccount, name: str) -> None:
    """The roll-out is over; idempotent."""
    keys: list[Any] = [{**_place(name), "Key": key} for key in (TAG, FORMER_TAG)]
    aws.write.autoscaling.delete_tags(Tags=keys)


def _place(name: str) -> dict[str, Any]:
    return {"ResourceId": name, "ResourceType": "auto-scaling-group", "PropagateAtLaunch": False}
