"""Every import contract of pyproject.toml is broken by an import that it forbids."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
Import = tuple[str, str]


def file_of(module: str, root: Path = ROOT) -> Path:
    """The source file of a module or package."""
    path = root.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def matching(pattern: str) -> list[str]:
    """The modules that an expression of import-linter names; a ``*`` is one part of a name."""
    depth = pattern.count(".")
    paths = {
        path.parent if path.name == "__init__.py" else path.with_suffix("") for path in ROOT.glob("smplan/**/*.py")
    }
    names = sorted(".".join(path.relative_to(ROOT).parts) for path in paths)
    return [name for name in names if name.count(".") == depth and fnmatchcase(name, pattern)]


def allowed(contract: dict[str, Any], planted: Import) -> bool:
    """Whether the contract excepts the import."""
    return any(fnmatchcase(" -> ".join(planted), each) for each in contract.get("ignore_imports", ()))


def forbidden_imports(contract: dict[str, Any]) -> Iterator[Import]:
    """Imports that break a contract, from what the contract itself says. Raises KeyError for an unknown type."""
    yield from {
        "layers": _upward,
        "forbidden": _of_forbidden_modules,
        "independence": _between_independent,
        "acyclic_siblings": _closing_a_cycle,
    }[contract["type"]](contract)


def _upward(contract: dict[str, Any]) -> Iterator[Import]:
    """From each layer to the next one above, and within a layer of independent modules."""
    for container in contract["containers"]:
        layers = [[f"{container}.{name}" for name in layer.split(" | ")] for layer in contract["layers"]]
        for above, below in pairwise(layers):
            yield below[0], above[0]
        for layer in layers:
            yield from pairwise(layer)


def _of_forbidden_modules(contract: dict[str, Any]) -> Iterator[Import]:
    for source in contract["source_modules"]:
        yield from ((source, forbidden) for forbidden in contract["forbidden_modules"])


def _between_independent(contract: dict[str, Any]) -> Iterator[Import]:
    """Between the first two modules of each expression that may not import each other; of all, if it names one each."""
    groups = [matching(each) for each in contract["modules"]]
    if all(len(group) == 1 for group in groups):
        groups = [[group[0] for group in groups]]
    for group in groups:
        plain = [name for name in group if not name.rpartition(".")[2].startswith("_")]
        pairs = (pair for pair in permutations(plain, 2) if not allowed(contract, pair))
        yield from [pair for pair, _ in zip(pairs, "1", strict=False)]


def _closing_a_cycle(contract: dict[str, Any]) -> Iterator[Import]:
    """Between two packages and between two modules of one package, back to an importer."""
    for ancestor in contract["ancestors"]:
        yield f"{ancestor}.errors", f"{ancestor}.core"
        yield f"{ancestor}.core.values", f"{ancestor}.core.spec"


def expected(contract: dict[str, Any], planted: Import) -> str:
    """What the report says of a planted import; of a cycle, whose shortest opening may be another import, its place."""
    importer, imported = planted
    if contract["type"] == "acyclic_siblings":
        return f"No cycles are allowed in {importer.rpartition('.')[0]}."
    return f"{importer} -> {imported} (l."


def broken(folder: Path) -> dict[str, str]:
    """What import-linter reports in ``folder``, by contract."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()", "--no-logo"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    _, _, text = done.stdout.partition("Broken contracts\n")
    assert (done.returncode, bool(text)) == (1, True), done.stdout + done.stderr
    names = [contract["name"] for contract in CONTRACTS]
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        name = line if line in names else name
        found[name] = found.get(name, "") + line + "\n"
    return found


@pytest.mark.parametrize("contract", CONTRACTS, ids=[contract["name"] for contract in CONTRACTS])
def test_a_forbidden_import_breaks_its_contract(contract: dict[str, Any], tmp_path: Path) -> None:
    shutil.copytree(ROOT / "smplan", tmp_path / "smplan", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    planted = list(forbidden_imports(contract))
    for importer, imported in planted:
        with file_of(importer, tmp_path).open("a", encoding="utf-8") as source:
            source.write(f"\nimport {imported}\n")
    report = " ".join(broken(tmp_path).get(contract["name"], "").split())  # undoes line breaks
    missing = [each for each in planted if expected(contract, each) not in report]
    assert planted
    assert not missing, report


def test_the_planted_imports_are_not_there_already() -> None:
    for contract in CONTRACTS:
        for importer, imported in forbidden_imports(contract):
            source = file_of(importer).read_text(encoding="utf-8")
            assert f"\nimport {imported}\n" not in source
            assert f"\nfrom {imported} import " not in source
