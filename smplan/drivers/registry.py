"""Which driver and which lookup serve a kind: found by the name of the file, so that a new kind is one new file.

``aws.ec2.image`` is in ``drivers/aws/ec2_image.py``, ``red5.nodegroup`` in ``drivers/red5/nodegroup.py``,
``gate.http`` in ``drivers/gates.py``, ``core.value`` in ``drivers/builtin.py``.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from functools import cache
from types import ModuleType
from typing import Any, cast

from smplan.drivers.base import Driver, Lookup

_SINGLE = {"core": "smplan.drivers.builtin", "gate": "smplan.drivers.gates"}
_FOLDERS = {"aws": "smplan.drivers.aws", "red5": "smplan.drivers.red5"}


def driver(kind: str) -> type[Driver[Any]] | None:
    """The driver of ``kind``, or None if there is no such resource."""
    return cast("type[Driver[Any]] | None", _found(kind, Driver))


def lookup(kind: str) -> type[Lookup] | None:
    """The lookup of ``kind``, or None if nothing of that kind can be looked up."""
    return cast("type[Lookup] | None", _found(kind, Lookup))


@cache
def drivers() -> dict[str, type[Driver[Any]]]:
    """Every kind of resource, by name."""
    return {found.kind: found for module in _modules() for found in _classes(module, Driver)}


@cache
def lookups() -> dict[str, type[Lookup]]:
    """Every kind that can be looked up, by name."""
    return {found.kind: found for module in _modules() for found in _classes(module, Lookup)}


@cache
def _found(kind: str, base: type) -> Any:
    name = module_of(kind)
    if name is None or importlib.util.find_spec(name) is None:
        return None
    return next((found for found in _classes(importlib.import_module(name), base) if found.kind == kind), None)


def module_of(kind: str) -> str | None:
    """The name of the module that holds ``kind``, whether or not it exists; None for an unknown family."""
    family, _, rest = kind.partition(".")
    if family in _SINGLE:
        return _SINGLE[family]
    plain = rest.replace(".", "_")
    return f"{_FOLDERS[family]}.{plain}" if family in _FOLDERS and plain.isidentifier() else None


def _modules() -> list[ModuleType]:
    names = list(_SINGLE.values())
    for folder in _FOLDERS.values():
        package = importlib.import_module(folder)
        names += [f"{folder}.{info.name}" for info in pkgutil.iter_modules(package.__path__)]
    return [importlib.import_module(name) for name in sorted(names)]


def _classes(module: ModuleType, base: type) -> list[Any]:
    return [
        found
        for _, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, base) and not inspect.isabstract(found) and found.__module__ == module.__name__
    ]
