from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from smplan.core.journal import Began, Ended
from smplan.core.state import State
from smplan.errors import Locked, StoreError
from smplan.stores import codec, lines
from smplan.stores.base import Held
from smplan.stores.files import Disk
from smplan.stores.local import LocalStore
from tests.stores.samples import BEGAN, HOLDER, OTHER, LocalPlace, create, entry, intent, saved, state

R2 = Began("r2", "p2", "d2", 2, "")


class Killed(BaseException):
    """The process ends here."""


class MeddlingDisk(Disk):
    """A disk that fails, or ends the process, at one of its calls, or once there is no room for another byte."""

    def __init__(self) -> None:
        self.calls = self.written = 0
        self.at = self.room = -1
        self.problem: BaseException = Killed()
        self.after = False

    def arm(self, at: int = -1, problem: BaseException | None = None, *, after: bool = False, room: int = -1) -> None:
        """Count from now on; fail at call ``at``, or ``after`` it, or when ``room`` bytes are written."""
        self.calls = self.written = 0
        self.at, self.problem, self.after, self.room = at, problem or Killed(), after, room

    def _meddle(self, call: Callable[[], int | None]) -> int | None:
        self.calls += 1
        if self.calls == self.at and not self.after:
            raise self.problem
        try:
            return call()
        finally:
            if self.calls == self.at:
                raise self.problem

    def write(self, descriptor: int, data: bytes) -> int:
        if self.room >= 0:
            data = data[: self.room - self.written]
        written = self._meddle(lambda: super(MeddlingDisk, self).write(descriptor, data)) or 0
        self.written += written
        if self.written == self.room:
            raise Killed
        return written

    def sync(self, descriptor: int) -> None:
        self._meddle(lambda: None)

    def truncate(self, descriptor: int, length: int) -> None:
        self._meddle(lambda: super(MeddlingDisk, self).truncate(descriptor, length))

    def rename(self, source: Path, target: Path) -> None:
        self._meddle(lambda: super(MeddlingDisk, self).rename(source, target))

    def unlink(self, path: Path) -> None:
        self._meddle(lambda: super(MeddlingDisk, self).unlink(path))


def save_once_more(held: Held) -> None:
    held.save(held.folded().state)


def begin(held: Held) -> None:
    held.append([R2])


def go_on(held: Held) -> None:
    held.append(create("b"))


WRITES: dict[str, tuple[list[Callable[[Held], None]], Callable[[Held], None]]] = {
    "a save": ([begin, go_on], save_once_more),
    "the first batch": ([], begin),
    "a batch": ([begin], go_on),
}


def attempt(write: Callable[[], None]) -> StoreError | None:
    try:
        write()
    except StoreError as error:
        return error
    return None


def look(place: LocalPlace) -> tuple[State | None, int]:
    found = place.store().read()
    return (found.folded.state if found.folded else None, len(found.entries))


def prepared(name: str, folder: Path) -> LocalPlace:
    """A place where the write of that name comes next."""
    place = LocalPlace(folder)
    folder.mkdir()
    saved(place, "a")
    with place.store(disk=MeddlingDisk()).lock(HOLDER) as held:
        for each in WRITES[name][0]:
            each(held)
    return place


def undisturbed(name: str, folder: Path) -> tuple[list[tuple[State | None, int]], MeddlingDisk]:
    """What can be read before and after the write of that name, and the disk that counted it."""
    place, disk = prepared(name, folder), MeddlingDisk()
    seen = [look(place)]
    held = place.store(disk=disk).lock(HOLDER)
    disk.arm()
    WRITES[name][1](held)
    calls = disk.calls
    held.release()
    disk.calls = calls
    return [*seen, look(place)], disk


@pytest.mark.parametrize("name", WRITES)
def test_a_write_cut_at_any_byte_leaves_the_old_or_the_new(name: str, tmp_path: Path) -> None:
    seen, whole = undisturbed(name, tmp_path / "whole")
    for room in range(whole.written + 1):
        place, disk = prepared(name, tmp_path / str(room)), MeddlingDisk()
        held = place.store(disk=disk).lock(HOLDER)
        disk.arm(room=room)
        with pytest.raises(Killed):
            WRITES[name][1](held)
        disk.arm()
        held.release()
        assert look(place) in seen
        with place.store(disk=MeddlingDisk()).lock(OTHER) as held:
            held.append([Began("r3", "p3", "d3", 3, ""), *create("c")])
        assert "c" in look(place)[0].resources  # type: ignore[union-attr]  # a state was saved above


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", WRITES)
def test_a_process_that_ends_at_any_call_leaves_the_old_or_the_new(name: str, after: bool, tmp_path: Path) -> None:
    seen, whole = undisturbed(name, tmp_path / "whole")
    for at in range(1, whole.calls + 1):
        place, disk = prepared(name, tmp_path / str(at)), MeddlingDisk()
        held = place.store(disk=disk).lock(HOLDER)
        disk.arm(at, after=after)
        with pytest.raises(Killed):
            WRITES[name][1](held)
        held.release()
        assert look(place) in seen


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EINTR])
@pytest.mark.parametrize("name", WRITES)
def test_a_disk_that_fails_at_any_call_is_told_and_the_write_may_be_tried_again(
    name: str, code: int, tmp_path: Path
) -> None:
    seen, whole = undisturbed(name, tmp_path / "whole")
    write = WRITES[name][1]
    told = 0
    for at in range(1, whole.calls + 1):
        place, disk = prepared(name, tmp_path / str(at)), MeddlingDisk()
        with place.store(disk=disk).lock(HOLDER) as held:
            kept = held.folded().state
            disk.arm(at, OSError(code, os.strerror(code)))
            problem = attempt(lambda: write(held))
            if problem:
                told += 1
                assert os.strerror(code) in str(problem)
                assert "run the same command again" in problem.hint
                assert look(place) in seen
                if write is save_once_more:
                    held.save(kept)
                else:
                    write(held)
        assert look(place) == seen[1]
    assert told >= whole.calls - 2  # two removals of what counts for nothing may fail unheard


def test_a_batch_costs_what_it_holds_not_what_the_state_holds(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path)
    saved(place, *(f"a{number}" for number in range(3000)))
    disk = MeddlingDisk()
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
                held.append([Began(f"r{mask}", f"p{mask}", "", 1, "")])
        finally:
            os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in local_place.folder.iterdir()}
    assert modes == {"fleet.state.json": 0o600, "fleet.journal.jsonl": 0o600, "fleet.lock": 0o600}


def test_a_file_that_others_may_read_is_mended_and_told(local_place: LocalPlace) -> None:
    kept = saved(local_place)
    path = local_place.folder / "fleet.state.json"
    path.chmod(0o644)
    words: list[str] = []
    assert local_place.store(say=words.append).read().stored == kept
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(words) == 1
    assert "now yours alone (0600)" in words[0]


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


def test_what_is_no_file_is_refused(local_place: LocalPlace) -> None:
    os.mkfifo(local_place.folder / "fleet.state.json")
    with pytest.raises(StoreError, match="is not a regular file"):
        local_place.store().read()


def test_a_file_larger_than_any_of_smplans_is_not_read(local_place: LocalPlace) -> None:
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
    with pytest.raises(StoreError, match=r"the state it builds on, .*, is not there"):
        local_place.store().read()


def test_a_journal_left_over_by_a_save_counts_for_nothing_and_goes_with_the_next_batch(
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
    disk = MeddlingDisk()
    with local_place.store(disk=disk).lock(HOLDER) as held:
        held.append([BEGAN])
        disk.arm(6, OSError(errno.EIO, "no"))
        assert held.save(held.folded().state).serial == 2
    assert "fleet.journal.jsonl" in local_place.files()
    assert local_place.store().read().entries == ()


def test_an_unfinished_last_line_is_told_to_the_next_holder_and_cut_off(local_place: LocalPlace) -> None:
    saved(local_place)
    with local_place.store().lock(HOLDER) as held:
        held.append([BEGAN])
        held.append(create("a"))
    whole = local_place.files()["fleet.journal.jsonl"]
    local_place.put("fleet.journal.jsonl", whole[:-30])
    words: list[str] = []
    with local_place.store(say=words.append).lock(HOLDER) as held:
        assert held.snapshot.entries == (BEGAN,)
        held.append(create("a"))
    assert "unfinished" in words[0]
    assert local_place.files()["fleet.journal.jsonl"] == whole


def test_what_a_failed_sync_left_in_memory_is_written_anew(local_place: LocalPlace) -> None:
    saved(local_place)
    disk = MeddlingDisk()
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


def test_a_journal_that_does_not_fold_is_refused(local_place: LocalPlace) -> None:
    first = lines.header(saved(local_place))
    local_place.put("fleet.journal.jsonl", first + lines.batch(create("a")[1:], lines.check_sum(first)))
    with pytest.raises(StoreError, match="does not fit its state: journal entry 1: no run is going on"):
        local_place.store().read()


def test_a_state_that_never_stands_still_is_told(local_place: LocalPlace) -> None:
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


def test_a_lock_whose_holder_cannot_be_read_is_held_by_somebody(local_place: LocalPlace) -> None:
    with local_place.store().lock(HOLDER):
        (local_place.folder / "fleet.lock").write_bytes(b"\0garbage")
        with pytest.raises(Locked, match="is locked by somebody"):
            local_place.store().lock(OTHER)


def test_a_lock_goes_with_its_process(local_place: LocalPlace) -> None:
    code = (
        "import sys, time, pathlib\n"
        "from smplan.stores.base import Holder\n"
        "from smplan.stores.local import LocalStore\n"
        "held = LocalStore(pathlib.Path(sys.argv[1])).lock(Holder('dead', 'apply', 'r9', ''))\n"
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
    disk = MeddlingDisk()
    disk.arm(2, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with pytest.raises(StoreError, match="No space left") as caught:
        local_place.store(disk=disk).lock(HOLDER)
    assert "free some space" in caught.value.hint
    assert local_place.store().holder() is None


def test_an_unknown_fault_of_the_system_is_told_too(local_place: LocalPlace) -> None:
    class Odd(Disk):
        def open(self, path: Path, flags: int) -> int:
            raise OSError("odd")

    with pytest.raises(StoreError, match="cannot be read") as caught:
        local_place.store(disk=Odd()).read()
    assert "mend the cause" in caught.value.hint


def test_a_finished_run_can_be_compacted_and_followed(local_place: LocalPlace) -> None:
    saved(local_place)
    with local_place.store().lock(HOLDER) as held:
        held.append([BEGAN, *create("a"), Ended("r1", "complete", {}, "")])
        held.save(held.folded().state)
        held.append([R2])
        held.save(held.folded().state)
    found = local_place.store().read()
    assert found.stored is not None
    assert found.stored.resources["a"] == entry("a", "a")
    assert found.entries == ()
