"""Values of a plan as text, in the reasons of risks."""

from __future__ import annotations

import pytest

from smplan.core.risk import shown
from smplan.core.values import Json


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        ("a", "a"),
        (["a", None], "a, none"),
        ({"$ref": "a.id"}, "(a.id, known after apply)"),
        ({"$template": ["x-", {"$ref": "a.id"}]}, "x-(a.id, known after apply)"),
        ({"$secret": "env:A"}, "(secret env:A)"),
        ({"a": 1}, "{'a': 1}"),
    ],
)
def test_a_value_reads_as_text(value: Json, text: str) -> None:
    assert shown(value) == text
