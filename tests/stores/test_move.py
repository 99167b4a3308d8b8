"""Moves: interrupted anywhere, exactly one place has the state, and the same move completes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from smplan.core.blueprint import BackendConfig as Spot
from smplan.core.state.journal import RunBegan, RunEnded
from smplan.core.state.model import State
from smplan.errors import GuardRefused, Locked, StoreError
from smplan.stores import codec, journal_file
from smplan.stores.interface import Snapshot, Store
from smplan.stores.local import LocalStore
from smplan.stores.move import Endpoint, Move
from smplan.stores.move_marker import Moved, MoveMarker, backend_block
from smplan.stores.s3 import S3Store
from tests.stores.samples import (
    BEGAN,
    HOLDER,
    LINEAGE,
    OTHER,
    HandClock,
    create,
    forged,
    intent,
    state,
)
from tests.support.disks import FaultyDisk, Killed, T
from tests.support.s3 import (
    MemoryS3,
)
from tests.support.s3_client import (
    Wire,
)

AT = "2026-11-23T03:00:00+00:00"
BUCKET = "bucket"
WRITES = ("put_object", "delete_object", "delete_objects")
PAIRS = [("local", "s3"), ("s3", "local"), ("local", "local"), ("s3", "s3")]
CHANGES = ("write", "sync", "truncate", "rename", "unlink")


class Countdown:
    """Ends the process at a write, and whatever it tries after that."""

    def __init__(self, at: int = -1) -> None:
        self.at = at
        self.count = 0

    def hit(self) -> None:
        self.count += 1
        if 0 < self.at <= self.count:
            raise Killed


class DyingDisk(FaultyDisk):
    """A disk of a process that ends."""

    def __init__(self, countdown: Countdown) -> None:
        super().__init__()
        self.countdown = countdown

    def _maybe_fail(self, name: str, call: Callable[[], T]) -> T:
        if name in CHANGES:
            self.countdown.hit()
        return call()


@dataclass
class Scene:
    """An old place ``a`` and a new place ``b``, read and written by processes that may die."""

    folder: Path
    kinds: tuple[str, str]
    client: Any = field(default_factory=MemoryS3)
    server: HandClock = field(default_factory=HandClock)
    words: list[str] = field(default_factory=list)

    def spot(self, name: str) -> Spot:
        if self.kinds["ab".index(name)] == "s3":
            return Spot("s3", {"bucket": BUCKET, "key": f"{name}.json"})
        return Spot("local", {"path": str(self.folder / name / "fleet.state.json")})

    def store(self, name: str, countdown: Countdown | None = None, wire: Wire | None = None) -> Store:
        countdown = countdown or Countdown()
        spot = self.spot(name)
        if spot.backend == "local":
            return LocalStore(Path(spot.options["path"]), disk=DyingDisk(countdown), on_warning=self.words.append)
        wire = wire or Wire(self.client, self.server)

        def dying(name: str, arguments: dict[str, Any]) -> None:
            if name in WRITES:
                countdown.hit()

        if countdown.at > 0:
            wire.before = dying
        else:
            before = wire.before

            def counting(name: str, arguments: dict[str, Any]) -> None:
                dying(name, arguments)
                before(name, arguments)

            wire.before = counting
        options: dict[str, Any] = {"client": wire, "clock": HandClock(), "on_warning": self.words.append}
        return S3Store(BUCKET, str(spot.options["key"]), **options)

    def move(self, there: str = "ab", countdown: Countdown | None = None, wire: Wire | None = None) -> State:
        old, new = there[0], there[1]
        source = Endpoint(self.store(old, countdown), self.spot(old))
        target = Endpoint(self.store(new, countdown, wire), self.spot(new))
        return Move(source, target, HOLDER, AT, self.words.append).run()

    def filled(self) -> Snapshot:
        """A state with a past, pending_creates, and a run that is not finished, in the old place."""
        with self.store("a").lock(HOLDER) as held:
            kept = held.save(state("x"))
            held.append([BEGAN, *create("y"), intent("lost"), RunEnded("r1", "failed", {}, "")])
            held.save(held.folded().state)
            held.append([RunBegan("r2", "p2", "d2", 2, ""), *create("z")])
            held.append([intent("open")])
        assert kept.serial == 1
        return self.store("a").read()

    def look(self, name: str) -> Snapshot | Moved:
        try:
            return self.store(name).read()
        except Moved as error:
            return error


@pytest.fixture(params=PAIRS, ids=lambda pair: "-".join(pair))
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    return Scene(tmp_path, request.param)


@pytest.fixture
def files(tmp_path: Path) -> Scene:
    return Scene(tmp_path, ("local", "local"))


def same(found: Snapshot | Moved, before: Snapshot) -> bool:
    """Whether ``found`` holds what ``before`` did; empty batches that fences leave count for nothing."""
    return isinstance(found, Snapshot) and (found.stored, found.entries, found.folded, found.saved) == (
        before.stored,
        before.entries,
        before.folded,
        before.saved,
    )


def test_everything_comes_with_the_state(scene: Scene) -> None:
    before = scene.filled()
    assert scene.move() == before.stored
    after = scene.look("b")
    assert same(after, before)
    assert isinstance(after, Snapshot)
    assert after.folded is not None
    assert after.folded.run is not None
    assert {each.resource.address for each in after.folded.pending_creates} == {"lost", "open"}
    assert scene.store("b").history() == [1]
    assert scene.store("b").document(1) == scene.store("a").document(1)


def test_an_unfinished_run_is_resumed_in_the_new_place(scene: Scene) -> None:
    scene.filled()
    scene.move()
    with scene.store("b").lock(OTHER) as held:
        held.append(create("open"))
        held.append([RunEnded("r2", "complete", {}, "")])
        assert held.save(held.folded().state).serial == 3
    assert scene.store("b").history() == [2, 1]


def test_the_old_place_names_the_new_one_and_the_line_for_the_blueprint(scene: Scene) -> None:
    scene.filled()
    scene.move()
    for use in (scene.store("a").read, lambda: scene.store("a").lock(OTHER)):
        with pytest.raises(Moved, match=f"the state was moved from .* to .* at {AT[:19]}") as caught:
            use()
        assert caught.value.hint == f"write `{backend_block(scene.spot('b'))}` into the blueprint"
    assert scene.store("a").holder() is None


def test_the_backup_is_complete_and_in_the_format_of_local_files(scene: Scene) -> None:
    before = scene.filled()
    scene.move()
    names = [word.removeprefix("backed up: ") for word in scene.words]
    state_bytes, journal_bytes = (contents(scene, name) for name in names)
    stored = codec.decode_state(state_bytes, "it")
    assert before.stored == stored.state
    assert (*stored.pending_creates, *journal_file.read(journal_bytes, "it", stored.state).entries) == before.entries


def contents(scene: Scene, name: str) -> bytes:
    if not name.startswith("s3://"):
        return Path(name).read_bytes()
    key = name.removeprefix(f"s3://{BUCKET}/")
    return bytes(scene.client.objects[key])


def test_a_move_back_and_forth_loses_nothing(scene: Scene) -> None:
    before = scene.filled()
    for there in ("ab", "ba", "ab", "ba"):
        scene.move(there)
    assert same(scene.look("a"), before)
    assert isinstance(scene.look("b"), Moved)


def test_cut_at_any_write_one_place_has_the_state_and_the_same_move_finishes_it(scene: Scene) -> None:
    counted = Countdown()
    scene.filled()
    scene.move(countdown=counted)
    seen = set()
    for at in range(1, counted.count + 1):
        fresh = Scene(scene.folder / str(at), scene.kinds)
        before = fresh.filled()
        with pytest.raises(Killed):
            fresh.move(countdown=Countdown(at))
        fresh.server.time += 120  # the lease of the dead process expires
        seen.add(judge(fresh, before))
        assert fresh.move() == before.stored
        assert same(fresh.look("b"), before)
        assert isinstance(fresh.look("a"), Moved)
        assert fresh.store("b").history() == [1]
        assert fresh.move() == before.stored  # once more changes nothing
        assert same(fresh.look("b"), before)
    assert {"old, nothing new", "old, new is incoming", "moved, new is incoming", "moved, new"} == seen


def judge(scene: Scene, before: Snapshot) -> str:
    """Which place has the state after a cut; exactly one may be written, or none until the move is finished."""
    old, new = scene.look("a"), scene.look("b")
    writable = []
    for name in "ab":
        try:
            with scene.store(name).lock(OTHER) as held:
                if held.snapshot.stored:
                    writable.append(name)
        except Moved:
            pass
    if isinstance(old, Moved):
        if isinstance(new, Moved):
            assert "is not finished" in str(new)
            assert writable == []
            assert same(scene.store("b").read_unchecked(), before)
            return "moved, new is incoming"
        assert same(new, before)
        assert writable == ["b"]
        return "moved, new"
    assert same(old, before)
    assert writable == ["a"]
    if isinstance(new, Moved):
        return "old, new is incoming"
    assert new == Snapshot()
    return "old, nothing new"


def test_the_old_state_may_be_written_after_an_interrupted_move(scene: Scene) -> None:
    scene.filled()
    counted = Countdown(8)
    with pytest.raises(Killed):
        scene.move(countdown=counted)
    scene.server.time += 120
    with scene.store("a").lock(OTHER) as held:
        held.append(create("more"))
        later = held.save(held.folded().state)
    assert scene.move() == later
    assert same(scene.look("b"), scene.store("b").read_unchecked())
    assert scene.store("b").history() == [2, 1]


def test_a_place_that_holds_a_state_is_refused(scene: Scene) -> None:
    before = scene.filled()
    with scene.store("b").lock(HOLDER) as held:
        kept = held.save(replace(state("b"), lineage=LINEAGE[:-1] + "9"))
    with pytest.raises(GuardRefused, match=r"holds a state of its own \(lineage .*9, serial 1\)"):
        scene.move()
    assert same(scene.look("a"), before)
    assert scene.store("b").read().stored == kept


def test_a_place_with_earlier_states_is_refused(scene: Scene) -> None:
    scene.filled()
    with scene.store("b").lock(HOLDER) as held:
        held.put_version(7, b"earlier")
    with pytest.raises(GuardRefused, match=r"holds the remains of a state: .*00000007\.json"):
        scene.move()


def test_a_place_with_a_journal_only_is_refused(scene: Scene) -> None:
    scene.filled()
    with scene.store("b").lock(HOLDER) as held:
        held.put_journal(state(), [BEGAN])
    with pytest.raises((GuardRefused, StoreError), match=r"the remains of a state|is missing"):
        scene.move()


def test_a_place_with_the_marker_of_another_state_is_refused(scene: Scene) -> None:
    scene.filled()
    marker = MoveMarker(False, "m", scene.spot("b"), Spot("local", {"path": "x"}), "another", AT)
    with scene.store("b").lock(HOLDER) as held:
        held.put(codec.encode_moved(marker))
    with pytest.raises(GuardRefused, match="holds a marker: the state was moved from"):
        scene.move()


def test_without_a_state_there_is_nothing_to_move(scene: Scene) -> None:
    with pytest.raises(GuardRefused, match="nothing to move"):
        scene.move()
    assert isinstance(scene.look("b"), Snapshot)


def test_a_state_that_was_moved_to_a_third_place_is_not_moved(files: Scene) -> None:
    files.filled()
    files.move()
    elsewhere = replace(files, kinds=("local", "s3"))
    with pytest.raises(Moved, match="the state was moved from"):
        elsewhere.move()


def test_an_incoming_state_is_not_moved_on(files: Scene) -> None:
    before = files.filled()
    marker = MoveMarker(True, "m", files.spot("a"), files.spot("b"), LINEAGE, AT)
    assert before.stored is not None
    with files.store("b").lock(HOLDER) as held:
        held.put(codec.encode_incoming(marker, before.stored, (), ""))
    with pytest.raises(Moved, match="is not finished"):
        replace(files, kinds=("local", "local")).move("ba")


def test_both_locks_are_needed(scene: Scene) -> None:
    before = scene.filled()
    for name in "ab":
        with scene.store(name).lock(OTHER), pytest.raises(Locked):
            scene.move()
    assert same(scene.look("a"), before)
    assert scene.store("a").holder() is None


def test_a_copy_that_reads_back_different_ends_the_move(tmp_path: Path) -> None:
    scene = Scene(tmp_path, ("local", "s3"))
    before = scene.filled()
    wire = Wire(scene.client, scene.server)

    def lose(name: str, arguments: dict[str, Any], answer: Any) -> None:
        if name == "put_object" and ".journal/" in arguments["Key"]:
            del scene.client.objects[arguments["Key"]]

    wire.after = lose
    with pytest.raises(StoreError, match="the copy read back from s3://") as caught:
        scene.move(wire=wire)
    assert "the state is still in" in str(caught.value)
    assert same(scene.look("a"), before)
    scene.move()


def test_if_the_new_place_lost_the_copy_the_hint_names_the_backup(scene: Scene) -> None:
    scene.filled()
    scene.move()
    marker = scene.store("a").read_unchecked().marker
    assert marker is not None
    with scene.store("b").lock(HOLDER, moving=True) as held:
        held.put_journal(state(), [])
        held.put(codec.encode_state(replace(state(), lineage=LINEAGE[:-1] + "9")))
    with pytest.raises(StoreError, match="and the state is missing there") as caught:
        scene.move()
    assert ".moved" in caught.value.hint
    with scene.store("b").lock(HOLDER, moving=True) as held:
        held.put(codec.encode_moved(replace(marker, target=Spot("local", {"path": "third"}))))
    with pytest.raises(Moved, match="to third at"):
        scene.move()


def test_a_marker_is_not_read_as_a_state(files: Scene) -> None:
    files.filled()
    files.move()
    document = files.store("a").document()
    assert document is not None
    with pytest.raises(StoreError, match="is a smplan/moved, not a smplan/state"):
        codec.unseal({codec.STATE: codec.StateDocument}, document, "it")
    with pytest.raises(Moved, match="the state was moved from it to"):
        codec.decode_state(document, "it")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda document: document.pop("marker"), "marker is missing"),
        (lambda document: document.update(more=1), "more is not known"),
        (lambda document: document["marker"].pop("at"), "marker.at is missing"),
        (lambda document: document["marker"].update(incoming=True), "marker.incoming does not fit the format"),
        (lambda document: document["marker"]["source"].update(options={}), "marker.source.options.path is not text"),
        (
            lambda document: document["marker"]["target"].update(backend="s3"),
            "marker.target.options.bucket is not text",
        ),
    ],
)
def test_a_forged_marker_is_rejected(files: Scene, change: Callable[[dict[str, Any]], object], problem: str) -> None:
    marker = MoveMarker(False, "m", files.spot("a"), files.spot("b"), LINEAGE, AT)
    with files.store("a").lock(HOLDER) as held:
        held.put(forged(codec.encode_moved(marker), change))
    with pytest.raises(StoreError, match=f"is damaged: {problem}"):
        files.store("a").read()


def test_a_second_backup_keeps_the_first(files: Scene) -> None:
    files.filled()
    for there in ("ab", "ba", "ab"):
        files.move(there)
    names = sorted(path.name for path in (files.folder / "a").glob("*.moved*"))
    assert names == [f"fleet.{kind}.moved{more}" for kind in ("journal.jsonl", "state.json") for more in ("", "-2")]
