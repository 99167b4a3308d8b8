import pytest

from smplan.core.state.strict_json import ObjectReader
from smplan.errors import StoreError


def test_members_are_taken_by_name_and_type() -> None:
    members = ObjectReader(
        {"a": "x", "b": 1, "c": True, "d": {"e": 1}, "f": [1], "g": ["h"], "i": None},
        "it",
    )
    taken = (
        members.text("a"),
        members.number("b"),
        members.flag("c"),
        members.table("d"),
        members.items("f"),
        members.texts("g"),
        members.anything("i"),
    )
    members.end()
    assert taken == ("x", 1, True, {"e": 1}, [1], ("h",), None)


@pytest.mark.parametrize(
    ("data", "take", "message"),
    [
        ([], "text", "it is not an object"),
        ({}, "text", "it.a is missing"),
        ({"a": 1}, "text", "it.a is not text"),
        ({"a": True}, "number", "it.a is not a whole number"),
        ({"a": 1.0}, "number", "it.a is not a whole number"),
        ({"a": 1}, "flag", "it.a is not true or false"),
        ({"a": []}, "table", "it.a is not an object"),
        ({"a": {}}, "items", "it.a is not a list"),
        ({"a": ["x", 1]}, "texts", "it.a holds something that is not text"),
    ],
)
def test_a_member_that_does_not_fit_is_named(data: object, take: str, message: str) -> None:
    with pytest.raises(StoreError, match=f"^{message}$"):
        getattr(ObjectReader(data, "it"), take)("a")


def test_members_nobody_took_are_refused() -> None:
    members = ObjectReader({"a": "x", "z": 1, "y": 2}, "it")
    members.text("a")
    with pytest.raises(StoreError, match=r"^it\.y is not known"):
        members.end()
