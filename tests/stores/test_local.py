from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from smplan.core.state.journal import RunBegan, RunEnded
from smplan.errors import Locked, StoreError
from smplan.stores import codec, journal_file
from smplan.stores.files import Disk
from smplan.stores.local import LocalStore
from tests.stores.samples import BEGAN, HOLDER, OTHER, LocalPlace, create, entry, intent, saved, state
from tests.support.disks import FaultyDisk

LAST = 21
"""Which call of the disk removes the journal after a save."""
R2 = RunBegan("r2", "p2", "d2", 2, "")


def test_a_batch_costs_what_it_holds_not_what_the_state_holds(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path)
    saved(place, *(f"a{number}" for number in range(3000)))
    disk = FaultyDisk()
    with place.store(disk=disk).lock(HOLDER) as held:
        held.append([BEGAN])
        held.append(create("b"))
        disk.arm()
        held.append([intent("c")])
        assert disk.calls == 2  # write, sync
    assert disk.written < 1000


def test_files_are_for_the_owner_only_whatever_the_umask(local_place: LocalPlace) -> None:
    for mask in (0o000, 0o777):
        before = os.umask(mask)
        try:
            saved(local_place) if mask == 0 else None
            with local_place.store().lock(HOLDER) as held:
                held.append([RunBegan(f"r{mask}", f"p{mask}", "", 1, "")])
        finally:
            os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in local_place.folder.iterdir()}
    assert modes == {"fleet.state.json": 0o600, "fleet.journal.jsonl": 0o600, "fleet.lock": 0o600}


def test_the_mode_of_a_file_readable_by_others_is_fixed_with_a_warning(local_place: LocalPlace) -> None:
    kept = saved(local_place)
    path = local_place.folder / "fleet.state.json"
    path.chmod(0o644)
    words: list[str] = []
    assert local_place.store(on_warning=words.append).read().stored == kept
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(words) == 1
    assert "its mode is now 0600" in words[0]


@pytest.mark.parametrize("name", ["fleet.state.json", "fleet.journal.jsonl", "fleet.lock"])
def test_symbolic_links_are_refused(name: str, local_place: LocalPlace) -> None:
    saved(local_place)
    with local_place.store().lock(HOLDER) as held:
        held.append([BEGAN])
    path = local_place.folder / name
    path.rename(local_place.folder / "elsewhere")
    path.symlink_to(local_place.folder / "elsewhere")
    with pytest.raises(StoreError, match=f"{name} cannot be (read|locked)") as caught:
        local_place.store().lock(HOLDER)
    assert "symbolic link" in caught.value.hint


@pytest.mark.parametrize("name", ["fleet.state.json", "fleet.journal.jsonl"])
def test_the_mode_of_a_file_that_smplan_did_not_write_stays(local_place: LocalPlace, name: str) -> None:
    saved(local_place)
    path = local_place.folder / name
    path.write_text('{"name": "a package"}')
    path.chmod(0o644)
    with pytest.raises(StoreError):
        local_place.store().read()
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("content", [b"requires-python\n", b"{}", b'{"digest":"' + b"x" * 70])
def test_a_lock_file_that_smplan_did_not_write_is_refused_and_left_as_it_is(
    local_place: LocalPlace, content: bytes
) -> None:
    saved(local_place)
    path = local_place.folder / "fleet.lock"
    path.write_bytes(content)
    path.chmod(0o644)
    for attempt in (local_place.store().test_lock, local_place.store().lock):
        with pytest.raises(StoreError, match=r"fleet\.lock is not a lock that smplan wrote"):
            attempt(HOLDER)
    assert path.read_bytes() == content
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("length", [0, 5, 11, 40, 75, 76, 90, 1000])
def test_a_lock_file_that_a_crash_left_half_written_is_taken(local_place: LocalPlace, length: int) -> None:
    (local_place.folder / "fleet.lock").write_bytes(codec.seal(codec.LOCK, HOLDER)[:length])
    local_place.store().lock(OTHER).release()


def test_a_history_that_leads_elsewhere_is_refused(local_place: LocalPlace, tmp_path: Path) -> None:
    saved(local_place)
    (tmp_path / "elsewhere").mkdir()
    (local_place.folder / "fleet.history").symlink_to(tmp_path / "elsewhere")
    warnings: list[str] = []
    with local_place.store(on_warning=warnings.append).lock(HOLDER) as held:
        held.save(held.folded().state)
        with pytest.raises(StoreError, match="is a symbolic link"):
            held.put_version(1, b"x")
    assert any("is a symbolic link" in each for each in warnings)
    with pytest.raises(StoreError, match="is a symbolic link"):
        local_place.store().history()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_pipe_is_rejected(local_place: LocalPlace) -> None:
    os.mkfifo(local_place.folder / "fleet.state.json")
    with pytest.raises(StoreError, match="is not a regular file"):
        local_place.store().read()


def test_a_file_above_the_size_limit_is_rejected(local_place: LocalPlace) -> None:
    path = local_place.folder / "fleet.state.json"
    path.touch(0o600)
    os.truncate(path, codec.STATE_BYTES + 1)
    with pytest.raises(StoreError, match="is larger than 256 MiB"):
        local_place.store().read()


def test_a_path_through_a_file_is_refused(local_place: LocalPlace) -> None:
    (local_place.folder / "file").touch()
    store = LocalStore(local_place.folder / "file" / "fleet.state.json")
    with pytest.raises(StoreError, match="cannot be locked"):
        store.lock(HOLDER)
    with pytest.raises(StoreError, match="cannot be read"):
        store.read()
    with pytest.raises(StoreError, match="cannot be read"):
        store.holder()


def test_missing_folders_are_made_for_the_owner_only(local_place: LocalPlace) -> None:
    store = LocalStore(local_place.folder / "a" / "b" / "fleet.state.json")
    with store.lock(HOLDER) as held:
        held.save(state())
    assert store.read().stored == state(serial=1)
    assert (local_place.folder / "a").stat().st_mode & 0o777 == 0o700


def test_any_name_will_do(local_place: LocalPlace) -> None:
    store = LocalStore(local_place.folder / "plain")
    assert (store.journal.name, store.lock_file.name) == ("plain.journal.jsonl", "plain.lock")


def test_a_journal_without_its_state_is_refused(local_place: LocalPlace) -> None:
    saved(local_place)
    with local_place.store().lock(HOLDER) as held:
        held.append([BEGAN])
    local_place.remove("fleet.state.json")
    with pytest.raises(StoreError, match=r"the state it builds on, .*, is missing"):
        local_place.store().read()


def test_a_journal_left_over_by_a_save_is_ignored_and_replaced(
    local_place: LocalPlace,
) -> None:
    saved(local_place)
    with local_place.store().lock(HOLDER) as held:
        held.append([BEGAN])
        leftover = local_place.files()["fleet.journal.jsonl"]
        held.save(held.folded().state)
    local_place.put("fleet.journal.jsonl", leftover)
    assert local_place.store().read().entries == ()
    with local_place.store().lock(HOLDER) as held:
        held.append([R2])
    assert local_place.store().read().entries == (R2,)


def test_a_save_succeeds_even_if_the_old_journal_cannot_be_removed(local_place: LocalPlace) -> None:
    saved(local_place)
    disk = FaultyDisk()
    with local_place.store(disk=disk).lock(HOLDER) as held:
        held.append([BEGAN])
        disk.arm(LAST, OSError(errno.EIO, "no"))
        assert held.save(held.folded().state).serial == 2
        assert disk.calls == LAST
    assert "fleet.journal.jsonl" in local_place.files()
    assert local_place.store().read().entries == ()


def test_an_unfinished_last_line_is_dropped_with_a_warning(local_place: LocalPlace) -> None:
    saved(local_place)
    with local_place.store().lock(HOLDER) as held:
        held.append([BEGAN])
        held.append(create("a"))
    whole = local_place.files()["fleet.journal.jsonl"]
    local_place.put("fleet.journal.jsonl", whole[:-30])
    words: list[str] = []
    with local_place.store(on_warning=words.append).lock(HOLDER) as held:
        assert held.snapshot.entries == (BEGAN,)
        held.append(create("a"))
    assert "unfinished" in words[0]
    assert local_place.files()["fleet.journal.jsonl"] == whole


def test_a_journal_is_rewritten_after_a_failed_sync(local_place: LocalPlace) -> None:
    saved(local_place)
    disk = FaultyDisk()
    with local_place.store(disk=disk).lock(HOLDER) as held:
        held.append([BEGAN])
        held.append(create("a"))
        disk.arm(2, OSError(errno.EIO, os.strerror(errno.EIO)))
        with pytest.raises(StoreError, match="cannot be written"):
            held.append(create("b"))
        before = (local_place.folder / "fleet.journal.jsonl").stat().st_ino
        held.append(create("b"))
        assert (local_place.folder / "fleet.journal.jsonl").stat().st_ino != before
        held.append(create("c"))
    assert local_place.store().read().entries == (BEGAN, *create("a"), *create("b"), *create("c"))


def test_a_last_line_that_lacks_only_its_end_is_kept_and_followed(local_place: LocalPlace) -> None:
    saved(local_place)
    with local_place.store().lock(HOLDER) as held:
        held.append([BEGAN])
    local_place.put("fleet.journal.jsonl", local_place.files()["fleet.journal.jsonl"][:-1])
    with local_place.store().lock(HOLDER) as held:
        held.append(create("a"))
    assert local_place.store().read().entries == (BEGAN, *create("a"))


def test_a_journal_that_does_not_replay_is_rejected(local_place: LocalPlace) -> None:
    first = journal_file.header(saved(local_place))
    local_place.put("fleet.journal.jsonl", first + journal_file.record(create("a")[1:], journal_file.checksum(first)))
    with pytest.raises(StoreError, match="does not fit its state: journal entry 1: no run is in progress"):
        local_place.store().read()


def test_a_state_that_changes_during_every_read_is_an_error(local_place: LocalPlace) -> None:
    saved(local_place)
    path = local_place.folder / "fleet.state.json"

    class Restless(Disk):
        def open(self, path_: Path, flags: int) -> int:
            os.utime(path)
            return super().open(path_, flags)

    with pytest.raises(StoreError, match="changes faster than it can be read"):
        local_place.store(disk=Restless()).read()


def test_a_holder_whose_lock_file_was_removed_may_not_write(local_place: LocalPlace) -> None:
    saved(local_place)
    with local_place.store().lock(HOLDER) as held:
        local_place.remove("fleet.lock")
        with pytest.raises(Locked, match="was lost"):
            held.append([BEGAN])
        with local_place.store().lock(OTHER), pytest.raises(Locked, match="was lost"):
            held.check()


def test_an_unreadable_lock_file_names_an_unknown_holder(local_place: LocalPlace) -> None:
    with local_place.store().lock(HOLDER):
        (local_place.folder / "fleet.lock").write_bytes(b"\0garbage")
        with pytest.raises(Locked, match="is locked by an unknown process"):
            local_place.store().lock(OTHER)


def test_a_local_lock_ends_with_its_process(local_place: LocalPlace) -> None:
    code = (
        "import sys, time, pathlib\n"
        "from smplan.stores.interface import LockHolder\n"
        "from smplan.stores.local import LocalStore\n"
        "held = LocalStore(pathlib.Path(sys.argv[1])).lock(LockHolder('dead', 'apply', 'r9', ''))\n"
        "print('held', flush=True)\n"
        "time.sleep(60)\n"
    )
    path = str(local_place.folder / "fleet.state.json")
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        holder = local_place.store().holder()
        assert holder is not None
        assert holder.who == "dead"
        process.send_signal(signal.SIGKILL)
    assert local_place.store().holder() is None
    local_place.store().lock(OTHER).release()


def test_a_lock_that_cannot_be_written_is_not_taken(local_place: LocalPlace) -> None:
    disk = FaultyDisk()
    disk.arm(4, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with pytest.raises(StoreError, match="No space left") as caught:
        local_place.store(disk=disk).lock(HOLDER)
    assert "free some space" in caught.value.hint
    assert local_place.store().holder() is None


def test_an_unknown_system_error_has_a_hint(local_place: LocalPlace) -> None:
    class Odd(Disk):
        def open(self, path: Path, flags: int) -> int:
            raise OSError("odd")

    with pytest.raises(StoreError, match="cannot be read") as caught:
        local_place.store(disk=Odd()).read()
    assert "fix the cause" in caught.value.hint


def test_a_finished_run_can_be_compacted_and_followed(local_place: LocalPlace) -> None:
    saved(local_place)
    with local_place.store().lock(HOLDER) as held:
        held.append([BEGAN, *create("a"), RunEnded("r1", "complete", {}, "")])
        held.save(held.folded().state)
        held.append([R2])
        held.save(held.folded().state)
    found = local_place.store().read()
    assert found.stored is not None
    assert found.stored.resources["a"] == entry("a", "a")
    assert found.entries == ()


def test_a_lock_file_of_zeros_is_what_a_power_failure_leaves(local_place: LocalPlace) -> None:
    saved(local_place)
    (local_place.folder / "fleet.lock").write_bytes(bytes(512))
    with local_place.store().lock(HOLDER):
        pass
