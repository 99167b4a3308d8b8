"""Values, references and trees."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smplan.core.values import (
    Interpolation,
    InvalidReference,
    PartialValue,
    Ref,
    Secret,
    decode,
    encode,
    get_path,
    instance_address,
    known,
    parse_ref,
    parse_text,
    placeholders,
    refs,
    resolve,
)

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,8}", fullmatch=True)
keys = st.text(alphabet=st.characters(exclude_characters='"[]{}$', exclude_categories=("Cs", "Cc")), max_size=6)
steps = st.lists(
    st.from_regex(r"[A-Za-z_:-][A-Za-z0-9_:-]{0,5}", fullmatch=True) | st.integers(0, 999_999_999), max_size=3
).map(tuple)
references = st.builds(Ref, names, st.none() | keys, steps) | st.builds(
    Ref, names, st.none(), steps, index_from_each=st.just(True)
)
plain_text = st.text(alphabet=st.characters(codec="utf-8"), max_size=12)
templates = st.builds(Interpolation, st.lists(plain_text | references, min_size=1, max_size=4).map(tuple))
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | plain_text
leaves = plain | references | templates | st.builds(Secret, plain_text)
map_keys = plain_text | st.sampled_from(["$ref", "$template", "$secret", "$map"])
trees = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(map_keys, inner, max_size=3))


@given(trees)
def test_decode_undoes_encode(tree: PartialValue) -> None:
    assert decode(encode(tree)) == tree


@given(trees)
def test_an_encoded_tree_survives_json(tree: PartialValue) -> None:
    assert decode(json.loads(json.dumps(encode(tree)))) == tree


@given(references)
def test_a_reference_reads_as_it_is_written(ref: Ref) -> None:
    assert parse_text(str(ref)) == ref


@given(st.lists(plain_text | references, min_size=1, max_size=5).map(tuple))
def test_an_interpolation_reads_as_it_is_written(parts: tuple[str | Ref, ...]) -> None:
    def text_of(tree: PartialValue) -> str:
        return str(tree) if not isinstance(tree, str) else tree.replace("${", "$${")

    # Text that ends in `$` before a reference would read as an escape; nothing writes such a template.
    if not any(isinstance(part, str) and part.endswith("$") for part in parts):
        read = parse_text(str(Interpolation(parts)))
        assert parse_text(text_of(read)) == read


@given(plain_text)
def test_text_without_references_stays_as_it_is(text: str) -> None:
    if "${" not in text:
        assert parse_text(text) == text


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("alb.arn", Ref("alb", path=("arn",))),
        (' alb["blue"].arn ', Ref("alb", "blue", ("arn",))),
        ("alb[each.key].arn", Ref("alb", None, ("arn",), index_from_each=True)),
        ("subnets.ids[0]", Ref("subnets", path=("ids", 0))),
        ("x.tags.smplan:lineage", Ref("x", path=("tags", "smplan:lineage"))),
        ("alone", Ref("alone")),
    ],
)
def test_a_reference_names_a_root_an_instance_and_a_path(text: str, ref: Ref) -> None:
    assert parse_ref(text) == ref


@pytest.mark.parametrize("text", ["", "1a", "a b", "a.", "a[b]", 'a["b"', "a[-1]", "!a", "a()", "a[" + "9" * 10 + "]"])
def test_other_text_is_not_a_reference(text: str) -> None:
    with pytest.raises(InvalidReference, match="is not a reference"):
        parse_ref(text)


def test_a_string_that_is_one_reference_is_that_reference() -> None:
    assert parse_text("${a.b}") == Ref("a", path=("b",))


def test_references_in_text_make_an_interpolation() -> None:
    assert parse_text("https://${a.b}/") == Interpolation(("https://", Ref("a", path=("b",)), "/"))


def test_two_dollars_escape_a_brace() -> None:
    assert parse_text("$${a.b}") == "${a.b}"
    assert parse_text("x$${${a.b}}") == Interpolation(("x${", Ref("a", path=("b",)), "}"))
    assert str(Interpolation(("${", Ref("a")))) == "$${${a}"


def test_an_opened_reference_must_be_closed() -> None:
    with pytest.raises(InvalidReference, match="never closed"):
        parse_text("a ${b")


def test_an_instance_is_named_by_its_key() -> None:
    assert instance_address("alb", None) == "alb"
    assert instance_address("alb", "blue") == Ref("alb", "blue").address == 'alb["blue"]'


def test_refs_are_found_with_their_paths() -> None:
    a, b = Ref("a"), Ref("b")
    tree = {"x": [a, 1, Interpolation(("t", b))], "y": {"z": (a,)}, "s": Secret("env:S")}
    assert list(refs(tree)) == [(("x", 0), a), (("x", 2), b), (("y", "z", 0), a)]
    assert not known(tree)


def test_a_secret_counts_as_known() -> None:
    assert known({"s": Secret("env:S"), "n": [1, None]})


def test_placeholders_include_secrets() -> None:
    tree = {"x": (Ref("a"),), "s": Secret("env:S"), "n": 1}
    assert list(placeholders(tree)) == [(("x", 0), Ref("a")), (("s",), Secret("env:S"))]
    assert str(Secret("env:S")) == "secret env:S"


def test_resolve_keeps_the_type_of_a_lone_reference() -> None:
    values = {"a": [1, {"b": None}], "c": 3}
    tree = {"x": Ref("a"), "y": (Ref("c"), Ref("open")), "z": "text"}
    assert resolve(tree, lambda ref: values.get(ref.root, ref)) == {
        "x": [1, {"b": None}],
        "y": [3, Ref("open")],
        "z": "text",
    }


@pytest.mark.parametrize(
    ("value", "text"), [("b", "a-b-c"), (True, "a-true-c"), (False, "a-false-c"), (7, "a-7-c"), (0.5, "a-0.5-c")]
)
def test_resolve_writes_plain_values_into_text(value: PartialValue, text: str) -> None:
    assert resolve(Interpolation(("a-", Ref("x"), "-c")), lambda _: value) == text


def test_resolve_keeps_unknown_references() -> None:
    template = Interpolation(("a-", Ref("x"), "-", Ref("y")))
    found = resolve(template, lambda ref: "b" if ref.root == "x" else ref)
    assert found == Interpolation(("a-b-", Ref("y")))


def test_resolve_merges_interpolations() -> None:
    found = resolve(Interpolation(("a-", Ref("x"))), lambda _: Interpolation(("b-", Ref("y"))))
    assert found == Interpolation(("a-b-", Ref("y")))


def test_an_interpolation_stays_text_with_one_reference_left() -> None:
    found = resolve(Interpolation((Ref("x"), Ref("y"))), lambda ref: "" if ref.root == "x" else ref)
    assert found == Interpolation((Ref("y"),))


def test_an_empty_interpolation_is_empty_text() -> None:
    assert resolve(Interpolation((Ref("x"),)), lambda _: "") == ""


@pytest.mark.parametrize(("value", "word"), [(None, "null"), ([], "list"), ({}, "map"), (Secret("env:S"), "secret")])
def test_only_scalars_can_be_part_of_a_text(value: PartialValue, word: str) -> None:
    with pytest.raises(InvalidReference, match=f"is a {word} and cannot be part of a text"):
        resolve(Interpolation(("a", Ref("x", path=("y",)))), lambda _: value)


def test_get_path_follows_a_path() -> None:
    assert get_path({"a": [{"b": 1}]}, ("a", 0, "b")) == 1
    assert get_path({"a": [5]}, ("a", "0")) == 5
    assert get_path({"a": (5,)}, ()) == {"a": (5,)}


def test_get_path_stops_at_a_placeholder() -> None:
    assert get_path({"a": Ref("x")}, ("a", "b", "c")) == Ref("x")


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({}, ("a",)),
        ([1], (1,)),
        ([1], (-1,)),
        ([1], ("-1",)),
        ([1], ("x",)),
        ("text", (0,)),
        (None, ("a",)),
        (5, ("a",)),
    ],
)
def test_get_path_names_the_step_that_does_not_exist(value: PartialValue, path: tuple[str | int, ...]) -> None:
    with pytest.raises(KeyError) as missing:
        get_path(value, path)
    assert missing.value.args == (path[-1],)
