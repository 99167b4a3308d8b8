"""Ctrl-C, SIGTERM and SIGHUP: the first drains, the second leaves at once, and the next apply goes on."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from smplan.stores.interface import LockHolder
from smplan.stores.local import LocalStore
from tests.cli.process import TIMEOUT, ran, started

WAITING = """\
smplan: 1
name: toy
variables:
  url: {type: string, default: "http://127.0.0.1:1/"}
resources:
  first: {kind: core.value, spec: {input: 1}}
  gate: {kind: gate.http, spec: {url: "${var.url}", timeout: 600}, after: [first]}
"""


def until(holds: Callable[[], bool]) -> None:
    """Return when it is so; fail if it takes too long."""
    deadline = time.monotonic() + TIMEOUT
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def waiting(folder: Path, script: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """An apply that waits at a gate that never opens."""
    (folder / "toy.yaml").write_text(WAITING)
    assert ran(folder, "plan", "toy.yaml").returncode == 0
    with started(folder, "apply", "--yes", script=script) as child:
        journal = folder / "state" / "toy.journal.jsonl"
        until(lambda: child.poll() is not None or (journal.exists() and "gate:gate" in journal.read_text()))
        assert child.poll() is None
        yield child


def drained(child: subprocess.Popen[str]) -> None:
    """It ends after the first signal as it should."""
    out, err = child.communicate(timeout=TIMEOUT)
    assert child.returncode == 9
    assert "stopping after the running steps" in err
    assert "Interrupted; 1 done, 1 left. Everything is saved." in err
    assert "Run interrupted" in out
    assert "Traceback" not in out + err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_first_signal_drains_and_the_next_apply_resumes(tmp_path: Path, number: signal.Signals) -> None:
    with waiting(tmp_path) as child:
        child.send_signal(number)
        drained(child)
    with started(tmp_path, "apply", "--yes") as again:
        assert again.stdout is not None
        line = next(line for line in again.stdout if line.startswith(("Resuming", "Starting")))
        assert line == "Resuming: 1 step to do.\n"
        again.send_signal(signal.SIGTERM)
        again.communicate(timeout=TIMEOUT)
        assert again.returncode == 9


def test_signal_delivered_to_another_thread_is_handled(tmp_path: Path) -> None:
    script = tmp_path / "elsewhere.py"
    script.write_text(
        "import signal, sys, threading\n"
        "from smplan.cli.main import run\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"  # for this thread, and those it starts
        "run(sys.argv[1:])\n"
    )
    with waiting(tmp_path, script) as child:
        child.send_signal(signal.SIGTERM)
        drained(child)


def test_second_signal_exits_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text(
        "import sys, threading\n"
        "from smplan.drivers.core.value import Value\n"
        "from smplan.cli.main import run\n"
        "before = Value.compute_outputs\n"
        "def compute_outputs(spec):\n"
        "    if threading.current_thread() is not threading.main_thread():\n"
        "        print('deaf', flush=True)\n"
        "        threading.Event().wait(600)\n"
        "    return before(spec)\n"
        "Value.compute_outputs = staticmethod(compute_outputs)\n"
        "run(sys.argv[1:])\n"
    )
    (tmp_path / "toy.yaml").write_text(WAITING)
    assert ran(tmp_path, "plan", "toy.yaml").returncode == 0
    with started(tmp_path, "apply", "--yes", script=slow) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert any(line == "deaf\n" for line in child.stdout)
        child.send_signal(signal.SIGINT)
        assert any("press Ctrl-C again to exit now" in line for line in child.stderr)
        assert child.poll() is None
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=TIMEOUT)
        assert child.returncode == 9
    assert ran(tmp_path, "state", "list").returncode == 0


def test_a_wait_for_the_lock_ends_at_the_first_signal(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(WAITING)
    assert ran(tmp_path, "plan", "toy.yaml").returncode == 0
    lock = LocalStore(tmp_path / "state" / "toy.state.json").lock(LockHolder("anna", "apply", "r", "now"))
    with lock, started(tmp_path, "apply", "--yes", "--lock-wait", "600") as child:
        assert child.stdout is not None
        assert any(line.startswith("Plan ") and "may be applied" in line for line in child.stdout)
        time.sleep(0.5)  # from the plan's last line to the lock
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=TIMEOUT)
    assert child.returncode == 9
    assert err == "smplan: interrupted; run the same command again to resume\n"
