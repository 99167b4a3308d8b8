"""Registry of drivers and lookups: the name of a kind is the path of its module.

``aws.ec2.image`` is ``drivers/aws/ec2/image.py``, ``gate.http`` is ``drivers/gate/http.py``.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from functools import cache
from types import ModuleType
from typing import Any, cast

from smplan import drivers as drivers_package
from smplan.core.resource_type import Catalogue
from smplan.drivers.base import Driver, Lookup


def driver(kind: str) -> type[Driver[Any]] | None:
    """The driver of ``kind``, or None if there is no such resource."""
    return cast("type[Driver[Any]] | None", _found(kind, Driver))


def lookup(kind: str) -> type[Lookup] | None:
    """The lookup of ``kind``, or None if there is none."""
    return cast("type[Lookup] | None", _found(kind, Lookup))


@cache
def drivers() -> dict[str, type[Driver[Any]]]:
    """Every kind of resource, by name."""
    return {found.kind: found for module in _modules() for found in _classes(module, Driver)}


@cache
def lookups() -> dict[str, type[Lookup]]:
    """Every kind that can be looked up, by name."""
    return {found.kind: found for module in _modules() for found in _classes(module, Lookup)}


def catalogue() -> Catalogue:
    """The kinds, as checks of a blueprint need them."""
    return Catalogue(driver, lookup, drivers, lookups)


@cache
def _found(kind: str, base: type) -> Any:
    name = module_of(kind)
    if name is None or not _exists(name):
        return None
    return next((found for found in _classes(importlib.import_module(name), base) if found.kind == kind), None)


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # nor its package
        return False


def module_of(kind: str) -> str | None:
    """The name of the module of ``kind``, whether or not it exists; None if ``kind`` is not a valid name."""
    parts = kind.split(".")
    if len(parts) < 2 or not all(part.isidentifier() and not part.startswith("_") for part in parts):
        return None
    return f"{drivers_package.__name__}.{kind}"


def _modules() -> list[ModuleType]:
    found = pkgutil.walk_packages(drivers_package.__path__, f"{drivers_package.__name__}.")
    return [importlib.import_module(module.name) for module in found if not module.ispkg]


def _classes(module: ModuleType, base: type) -> list[Any]:
    return [
        found
        for _, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, base) and not inspect.isabstract(found) and found.__module__ == module.__name__
    ]
