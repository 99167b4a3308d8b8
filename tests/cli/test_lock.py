"""``smplan lock``, and a store that honours no lock."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from smplan.cli import wiring
from smplan.core.state.journal import RunBegan
from smplan.errors import Locked
from smplan.stores.interface import Store
from smplan.stores.local import LocalStore
from tests.cli.conftest import Shell
from tests.cli.fakes import HOLDER, Terminal, in_s3
from tests.cli.process import ran
from tests.support.s3 import MemoryS3, S3Server


def s3_store(smplan: Shell, bucket: str) -> Store:
    smplan.write("toy.yaml", in_s3(bucket))
    return wiring.store_of(Path("toy.yaml"))


def test_a_free_lock_is_shown_as_free(smplan: Shell) -> None:
    smplan.applied()
    assert smplan.ok("lock", "show").out == "The lock on state/toy.state.json is free.\n"
    done = smplan.ok("lock", "show", "--json")
    assert (done.data, done.err) == ({"held": False, "lock": None}, "")


def test_the_holder_of_a_local_lock_is_shown(smplan: Shell) -> None:
    smplan.applied()
    with LocalStore(Path("state/toy.state.json")).lock(HOLDER):
        done = smplan.ok("lock", "show")
        assert done.out.splitlines() == [
            "The lock on state/toy.state.json is held by",
            "    who        ann@ci pid 7",
            "    operation  apply",
            "    run        r1",
            "    since      2026-11-23T03:00:00Z",
        ]
        assert "Next: smplan lock break   # only if that process has died" in done.err
        data = smplan.ok("lock", "show", "--json").data
        assert data["held"] is True
        assert data["lock"]["holder"]["run"] == "r1"


def test_a_local_lock_is_not_broken_but_its_process_is_named(smplan: Shell) -> None:
    smplan.applied()
    with LocalStore(Path("state/toy.state.json")).lock(HOLDER):
        done = smplan("lock", "break", "--yes")
        assert done.code == 6
        assert "is locked by ann@ci pid 7" in done.err
        assert "= end that process" in done.err


def test_a_lock_in_s3_is_shown_with_its_end(smplan: Shell, bucket: str) -> None:
    with s3_store(smplan, bucket).lock(HOLDER):
        shown = smplan.ok("lock", "show", "-b", "toy.yaml").out
    assert "ann@ci pid 7" in shown
    assert "by the server's clock, unless renewed" in shown
    assert shown.splitlines()[-1].split() == ["epoch", "1"]


def test_a_broken_lock_is_free_and_its_former_holder_cannot_write(smplan: Shell, bucket: str) -> None:
    store = s3_store(smplan, bucket)
    smplan.ok("apply", "toy.yaml", "--yes")
    held = store.lock(HOLDER)
    assert smplan("apply", "toy.yaml", "--var", "word=x", "--yes").code == 7
    done = smplan.ok("lock", "break", "-b", "toy.yaml", "--yes")
    assert "ann@ci pid 7" in done.out
    assert "The lock is broken." in done.out
    smplan.ok("apply", "toy.yaml", "--var", "word=x", "--yes")
    with pytest.raises(Locked):
        held.append([RunBegan("r1", "p1", "d1", 2, "")])
    held.release()


def test_lock_break_is_confirmed_with_the_reason_it_is_safe(
    smplan: Shell, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = s3_store(smplan, bucket)
    with store.lock(HOLDER):
        monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
        done = smplan("lock", "break", "-b", "toy.yaml")
        assert done.code == 9
        assert "If its holder is still running, it stops at its next write" in done.err
        assert store.holder() == HOLDER


def test_breaking_a_free_lock_does_nothing(smplan: Shell) -> None:
    smplan.applied()
    done = smplan.ok("lock", "break")
    assert done.out == "The lock on state/toy.state.json is free.\n"


@pytest.mark.parametrize("command", [("apply", "toy.yaml", "--yes"), ("doctor", "toy.yaml", "--state")])
def test_store_that_ignores_conditions_is_rejected_and_left_clean(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "toy.yaml").write_text(in_s3("careless"))
    with S3Server(MemoryS3(conditional=False)) as server:
        keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_REGION": "us-east-1"}
        done = ran(tmp_path, *command, env={**keys, "AWS_ENDPOINT_URL": server.url})
        assert server.s3.objects == {}
    assert done.returncode == 1
    assert (
        "s3://careless/k/toy.json.lock: the store ignores If-None-Match, so two runs could overwrite each other"
        in done.stderr
    )
    assert "= keep state in a store that honours conditional writes, as S3 does, or in local files" in done.stderr
    assert not (tmp_path / "state").exists()


def test_the_careless_store_works_otherwise(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(in_s3("careless"))
    with S3Server(MemoryS3(conditional=False)) as server:
        server.s3.objects["k/toy.json"] = b"rotten"
        keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_REGION": "us-east-1"}
        done = ran(tmp_path, "state", "list", "-b", "toy.yaml", env={**keys, "AWS_ENDPOINT_URL": server.url})
    assert "s3://careless/k/toy.json is damaged" in done.stderr
