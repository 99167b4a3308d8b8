"""``python -m smplan`` and the ``smplan`` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from smplan.cli.main import run

    run()


if __name__ == "__main__":
    main()
