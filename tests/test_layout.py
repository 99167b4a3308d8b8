"""The layout of tests: folders mirror the package, and no test module depends on another."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
UNMIRRORED = {"campaigns", "e2e", "support"}


def imported(source: str) -> Iterator[str]:
    """Every module, or name in a module, that a source file imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports_of_test_modules(source: str) -> list[str]:
    """The imports of a source file that name a test module or something in one."""
    return [name for name in imported(source) if name.startswith("tests.") and ".test_" in name]


def test_no_module_imports_a_test_module() -> None:
    found = {
        path.relative_to(TESTS).as_posix(): names
        for path in sorted(TESTS.rglob("*.py"))
        if (names := imports_of_test_modules(path.read_text(encoding="utf-8")))
    }
    assert not found, f"move what is shared to tests/support: {found}"


def test_an_import_of_a_test_module_is_found_however_it_is_spelled() -> None:
    for line in ("import tests.a.test_b", "from tests.a import test_b", "from tests.a.test_b import c"):
        assert imports_of_test_modules(line), line
    assert not imports_of_test_modules("from tests.a.b import c, my_test_d")


def test_each_folder_of_tests_mirrors_one_of_the_package() -> None:
    folders = {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")} - {Path()}
    mirrored = {folder for folder in folders if folder.parts[0] not in UNMIRRORED}
    package = TESTS.parent / "smplan"
    missing = [folder.as_posix() for folder in sorted(mirrored) if not (package / folder).is_dir()]
    assert not missing
