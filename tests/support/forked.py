"""smplan's commands as processes that are forked from one with smplan and boto3 loaded, which saves a second each."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from multiprocessing.context import ForkServerContext
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory

from tests.support import preload

TIMEOUT_SECONDS = 180


def _nothing() -> None:
    """What is done before a command by default."""


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload.__name__, __name__])  # this module too: each process unpickles `_body`
    return context


def run(
    arguments: Sequence[str], folder: Path, env: Mapping[str, str], *, before: Callable[[], None] = _nothing
) -> CompletedProcess[str]:
    """Run ``smplan`` with ``arguments`` in ``folder`` to its end; a negative code is a signal.

    ``env`` is its whole environment. ``before`` is called in the new process; it must be importable there.
    """
    with TemporaryDirectory(prefix="smplan-output-") as held:
        outputs = (Path(held, "stdout"), Path(held, "stderr"))
        body = partial(_body, tuple(arguments), folder, dict(env), before, outputs)
        process = _context().Process(target=body)
        process.start()
        try:
            process.join(TIMEOUT_SECONDS)
            shown = [each.read_text(encoding="utf-8") if each.exists() else "" for each in outputs]
            assert process.exitcode is not None, f"smplan {' '.join(arguments)} did not end: {''.join(shown)}"
            return CompletedProcess(["smplan", *arguments], process.exitcode, *shown)
        finally:
            process.kill()
            process.join()


def _body(
    arguments: tuple[str, ...],
    folder: Path,
    env: Mapping[str, str],
    before: Callable[[], None],
    outputs: tuple[Path, Path],
) -> None:
    from smplan.cli.main import run as run_smplan

    gc.freeze()  # scanning the preloaded objects again costs up to a fifth of the run time
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    for number, (name, path) in enumerate(zip(("stdout", "stderr"), outputs, strict=True), 1):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, number)
        setattr(sys, name, open(number, "w", buffering=1, encoding="utf-8"))  # noqa: SIM115 - until the process ends
    logging.disable(logging.CRITICAL)
    before()
    run_smplan(list(arguments))
