"""``smplan state mv`` and ``rm``: addresses change in the state alone, under the lock."""

from __future__ import annotations

import pytest

from tests.cli.conftest import TOY, Shell


def addresses(smplan: Shell) -> list[str]:
    return [entry["address"] for entry in smplan.ok("state", "list", "--json").data]


def test_mv_gives_a_resource_another_address(smplan: Shell) -> None:
    smplan.applied()
    assert smplan.ok("state", "mv", "first", "other").out == "first is now other.\n"
    assert addresses(smplan) == ["other", "second"]
    assert smplan.ok("state", "show", "second", "--json").data["dependencies"] == ["other"]
    (smplan.folder / "toy.yaml").write_text(TOY.replace("first", "other"))
    assert "No changes" in smplan.ok("plan", "toy.yaml").out


def test_rm_forgets_and_lists_what_continues_to_exist(smplan: Shell) -> None:
    smplan.applied()
    done = smplan.ok("state", "rm", "second", "second")
    assert done.out == "Forgotten: second. core.value second continues to exist.\n"
    assert addresses(smplan) == ["first"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mv", "none", "x"), "the state has nothing at `none`"),
        (("mv", "first", "second"), "the state has second already"),
        (("rm", "first", "none"), "the state has nothing at `none`"),
    ],
)
def test_what_is_impossible_changes_nothing(smplan: Shell, arguments: tuple[str, ...], message: str) -> None:
    smplan.applied()
    done = smplan("state", *arguments)
    assert done.code == 1
    assert message in done.err
    assert addresses(smplan) == ["first", "second"]


def test_before_the_first_apply_there_is_nothing_to_edit(smplan: Shell) -> None:
    smplan.ok("plan", "toy.yaml")
    assert "nothing was applied yet" in smplan("state", "rm", "first").err
