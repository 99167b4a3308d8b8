"""Pages of a list, as Auto Scaling cuts them."""

from __future__ import annotations

from smplan.sandbox.aws.errors import Fields
from smplan.sandbox.aws.requests import Call


def page(call: Call, key: str, items: list[Fields], *, limit: int = 100) -> Fields:
    """One page of ``items`` and the token of the next, as Auto Scaling pages: MaxRecords and NextToken."""
    start = int(call["NextToken"] or 0)
    size = int(call["MaxRecords"] or limit)
    response: Fields = {key: items[start : start + size]}
    if start + size < len(items):
        response["NextToken"] = str(start + size)
    return response
