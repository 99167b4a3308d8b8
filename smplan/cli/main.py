"""The ``smplan`` command and its error handling. Commands import heavy modules when they run."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated

import typer

from smplan import __version__
from smplan.cli import (
    apply,
    approve,
    demo,
    destroy,
    doctor,
    drift,
    graph,
    init,
    kinds,
    lock,
    output,
    plan,
    sandbox,
    scale,
    schema,
    show,
    state,
    streams,
    validate,
)
from smplan.errors import SmplanError
from smplan.redaction import KNOWN

CTRL_C = 130
"""What typer returns after a KeyboardInterrupt: the shell's exit code for it."""
INTERRUPTED = 9

EPILOG = (
    "Exit codes: 0 done, or nothing to do · 1 error · 2 there are changes (plan --detailed-exitcode) · "
    "3 blueprint invalid · 4 the plan is stale, or what exists differs from what it relied on · "
    "5 nothing vouches for the plan, or an approval is missing · "
    "6 refused by a guard · 7 locked · 8 some steps failed, state saved · "
    "9 interrupted: run again to resume · 10 a wait timed out · 11 drift found · "
    "12 plan or drift is incomplete: something could not be read"
)

app = typer.Typer(
    name="smplan",
    help="Plan and apply a self-scaling fleet of Red5 Pro Stream Managers on AWS, and keep it right.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
state_app = typer.Typer(help="Inspect, export and move the state.", no_args_is_help=True)
lock_app = typer.Typer(help="Show or break the state lock.", no_args_is_help=True)
app.add_typer(state_app, name="state")
app.add_typer(lock_app, name="lock")
app.add_typer(sandbox.app, name="sandbox")

for command in (
    init,
    validate,
    plan,
    show,
    graph,
    approve,
    apply,
    destroy,
    scale,
    drift,
    output,
    doctor,
    kinds,
    schema,
    demo,
):
    command.register(app)
state.register(state_app)
lock.register(lock_app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"smplan {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Plan and apply a self-scaling fleet of Red5 Pro Stream Managers on AWS, and keep it right."""


def run(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code; never shows a traceback."""
    streams.install()
    KNOWN.remember_environment(os.environ)
    code = main(sys.argv[1:] if arguments is None else arguments)
    try:
        sys.stdout.flush()
    except OSError as error:
        code = code or _os_error(error)
    sys.exit(code)


def main(arguments: list[str]) -> int:
    """Run a command, print its errors to standard error, and return its exit code."""
    try:
        result = app(arguments, prog_name="smplan", standalone_mode=False)
    except typer.Abort:  # a prompt was answered with no or Ctrl-C
        return _failed("stopped; nothing was changed", INTERRUPTED)
    except SmplanError as error:
        return _print_error(error)
    except OSError as error:
        return _os_error(error)
    except Exception as error:
        return _unexpected(error)
    if result == CTRL_C:
        return _failed("interrupted; run the same command again to resume", INTERRUPTED)
    return result if isinstance(result, int) else 0


def _failed(message: str, code: int, *, before: str = "") -> int:
    sys.stderr.write(f"{before}smplan: {message}\n")
    return code


def _print_error(error: SmplanError) -> int:
    from smplan.cli.bug_report import report
    from smplan.errors import Bug
    from smplan.render import errors

    if isinstance(error, Bug):
        report(error)
    else:
        sys.stderr.write(errors.text(error, color=_color()) + "\n")
    return error.exit_code


def _color() -> bool:
    return sys.stderr.isatty() and "NO_COLOR" not in os.environ


def _os_error(error: OSError) -> int:
    try:
        sys.stdout.flush()
    except OSError:  # what is left in the buffer could not be written at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return 1
    what = f"{error.filename}: " if error.filename else ""
    hint = {
        errno.ENOSPC: "free disk space, then run the same command again; nothing was lost",
        errno.EACCES: "grant this user read and write access, then run the same command again",
        errno.EROFS: "this file system is read-only; run smplan in a writable folder",
        errno.ENOENT: "check the path",
        errno.EISDIR: "give a file, not a folder",
        errno.ENOTDIR: "check the path: part of it is a file, not a folder",
        errno.EEXIST: "check the path: part of it is a file, not a folder",
    }.get(error.errno or 0, "")
    return _failed(f"{what}{error.strerror or error}" + (f"\n  = {hint}" if hint else ""), 1)


def _unexpected(error: Exception) -> int:
    shown = getattr(error, "format_message", None)
    if shown is None:
        from smplan.cli.bug_report import report

        report(error)
        return 1
    # a command-line error, as click words it
    message = str(shown())
    if message.startswith("Usage:"):  # no arguments: the help
        sys.stderr.write(f"{message}\n")
        return 1
    context = getattr(error, "ctx", None)
    usage = f"{context.get_usage()}\n" if context else ""
    return _failed(message, 1, before=usage)
