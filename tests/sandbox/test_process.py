"""The sandbox as a process of its own."""

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import boto3.session
import pytest

from smplan.errors import SmplanError
from smplan.sandbox import process


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("service") / ".smplan"
    process.start(600.0, directory, launch_configurations=False)
    yield directory
    process.stop(directory)


def test_a_started_sandbox_answers_and_tells_how_to_reach_it(folder: Path) -> None:
    running = process.status(folder)
    assert running is not None
    assert running.speed == 600.0
    session = boto3.session.Session(
        running.env["AWS_ACCESS_KEY_ID"], running.env["AWS_SECRET_ACCESS_KEY"], region_name=running.env["AWS_REGION"]
    )
    sts = session.client("sts", endpoint_url=running.env["AWS_ENDPOINT_URL"])
    assert sts.get_caller_identity()["Account"] == "123456789012"
    assert f"export AWS_ENDPOINT_URL={running.env['AWS_ENDPOINT_URL']}" in running.exports()


def test_its_files_are_private(folder: Path) -> None:
    for name in ("sandbox.json", "sandbox.env", "sandbox.log"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, name
    running = process.status(folder)
    assert running is not None
    assert (folder / "sandbox.env").read_text() == running.exports()


def test_it_listens_on_loopback_only(folder: Path) -> None:
    running = process.status(folder)
    assert running is not None
    assert running.env["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{running.port}"


def test_a_second_one_in_the_same_folder_is_refused(folder: Path) -> None:
    with pytest.raises(SmplanError, match="already") as caught:
        process.start(600.0, folder)
    assert "smplan sandbox stop" in caught.value.hint
    assert process.main(["--directory", str(folder)]) == 1


def test_it_has_a_session_of_its_own_and_survives_the_terminal(folder: Path) -> None:
    running = process.status(folder)
    assert running is not None
    assert os.getsid(running.pid) == running.pid
    os.kill(running.pid, signal.SIGHUP)
    assert process.status(folder) == running


def test_reset_gives_a_fresh_world_on_the_same_port(folder: Path) -> None:
    before = process.status(folder)
    after = process.reset(folder)
    assert before is not None
    assert after.pid != before.pid
    assert (after.port, after.speed, after.launch_configurations) == (before.port, 600.0, False)


def test_a_process_id_that_is_not_the_sandboxes_is_never_killed(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        (tmp_path / "sandbox.lock").write_text(str(stranger.pid))
        (tmp_path / "sandbox.json").write_text(json.dumps({"pid": stranger.pid}))
        assert process.stop(tmp_path) is False
        assert stranger.poll() is None
        assert not (tmp_path / "sandbox.json").exists()
    finally:
        stranger.communicate(b"\n")


def test_a_killed_sandbox_is_not_running_and_its_leavings_are_cleared(tmp_path: Path) -> None:
    running = process.start(600.0, tmp_path)
    os.kill(running.pid, signal.SIGKILL)
    os.waitpid(running.pid, 0)
    assert process.status(tmp_path) is None
    assert not (tmp_path / "sandbox.json").exists()
    with pytest.raises(SmplanError, match="no sandbox"):
        process.reset(tmp_path)


def test_a_sandbox_that_cannot_start_says_why(tmp_path: Path, folder: Path) -> None:
    running = process.status(folder)
    assert running is not None
    with pytest.raises(SmplanError, match="did not start") as caught:
        process.start(600.0, tmp_path, port=running.port)
    assert "in use" in caught.value.hint


def test_one_that_is_just_starting_is_not_signalled(tmp_path: Path) -> None:
    with (tmp_path / "sandbox.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert process.status(tmp_path) is None
        with pytest.raises(SmplanError, match="starting"):
            process.stop(tmp_path)


def test_without_the_extra_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SmplanError, match="not installed") as caught:
        process.start(600.0, tmp_path)
    assert "smplan[sandbox]" in caught.value.hint


class Fake:
    """A sandbox that is there at once."""

    port = 4711

    def __init__(self, *, speed: float, port: int) -> None:
        self.asked = (speed, port)
        self.aws = SimpleNamespace(launch_configurations=True)

    def __enter__(self) -> "Fake":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def env(self) -> dict[str, str]:
        return {"AWS_REGION": "us-east-1"}


def test_the_process_tells_how_to_reach_it_until_it_is_told_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smplan.sandbox.sandbox.Sandbox", Fake)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    seen: list[process.Running | None] = []

    def end() -> None:
        assert process._until(lambda: process._ready(tmp_path), 5)
        seen.append(process.status(tmp_path))
        os.kill(os.getpid(), signal.SIGTERM)

    ending = threading.Thread(target=end)
    ending.start()
    try:
        assert process.main(["--directory", str(tmp_path), "--speed", "2", "--no-launch-configurations"]) == 0
    finally:
        ending.join()
        for number, handler in before.items():
            signal.signal(number, handler)
    expected = process.Running(
        pid=os.getpid(), speed=2.0, port=4711, launch_configurations=False, env={"AWS_REGION": "us-east-1"}
    )
    assert seen == [expected]
    assert process.status(tmp_path) is None


def test_one_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stubborn = (
        "import fcntl, os, signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "lock = open(sys.argv[1], 'w'); fcntl.flock(lock, fcntl.LOCK_EX);"
        "lock.write(str(os.getpid())); lock.flush(); print('held', flush=True); signal.pause()"
    )
    command = [sys.executable, "-c", stubborn, str(tmp_path / "sandbox.lock"), process.MODULE, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        monkeypatch.setattr(process, "STOP_SECONDS", 0.2)
        assert process.stop(tmp_path) is True
        assert child.wait() == -signal.SIGKILL


def test_one_that_nothing_ends_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "sandbox.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4194999")  # above every process id that Linux gives
        lock.flush()
        monkeypatch.setattr(process, "STOP_SECONDS", 0.1)
        with pytest.raises(SmplanError, match="does not stop"):
            process.stop(tmp_path)


def test_another_process_that_holds_the_lock_is_not_signalled(tmp_path: Path) -> None:
    holding = (
        "import fcntl, os, sys; lock = open(sys.argv[1], 'w'); fcntl.flock(lock, fcntl.LOCK_EX);"
        "lock.write(str(os.getpid())); lock.flush(); print('held', flush=True); input()"
    )
    command = [sys.executable, "-c", holding, str(tmp_path / "sandbox.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stranger:
        assert stranger.stdout is not None
        assert stranger.stdout.readline() == b"held\n"
        with pytest.raises(SmplanError, match="is not the sandbox of this folder"):
            process.stop(tmp_path)
        assert stranger.poll() is None
        stranger.communicate(b"\n")


def test_without_process_descriptors_the_signal_goes_by_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    running = process.start(600.0, tmp_path)
    assert process.stop(tmp_path) is True
    assert process._command(running.pid) == []


def test_links_and_pipes_in_its_folder_are_refused_and_not_changed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("kept")
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("sandbox.lock", "sandbox.log", "sandbox.json.new"):
        for lay in (lambda path: path.symlink_to(outside), os.mkfifo):
            lay(folder / name)
            if name == "sandbox.json.new":
                with pytest.raises(SmplanError, match=r"cannot be opened|not a regular file"):
                    process._write(folder / "sandbox.json", "x")
            else:
                with pytest.raises(SmplanError, match=r"cannot be opened|not a regular file"):
                    process.start(600.0, folder)
            (folder / name).unlink()
    (tmp_path / "link").symlink_to(folder)
    for act in (process.start, process.stop, process.status):
        with pytest.raises(SmplanError, match="is a symbolic link"):
            act(directory=tmp_path / "link")
    assert outside.read_text() == "kept"


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[]",
        '{"pid": 1}',
        "[" * 60000,
        '{"pid": 1, "speed": 1, "port": 1, "launch_configurations": true, "env": {"A;touch x;B": "c"}}',
        '{"pid": 1, "speed": 1, "port": 1, "launch_configurations": true, "env": {"A": 1}}',
        '{"pid": 1, "speed": 1, "port": 1, "launch_configurations": true, "env": []}',
    ],
)
def test_a_description_that_the_sandbox_did_not_write_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "sandbox.json").write_text(text)
    with (tmp_path / "sandbox.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SmplanError, match="not written by the sandbox"):
            process.status(tmp_path)
