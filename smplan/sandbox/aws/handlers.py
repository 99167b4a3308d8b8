"""Every handler of the sandbox's AWS, found by looking through the packages beside this module."""

from __future__ import annotations

import importlib
import pkgutil

from smplan.sandbox import aws
from smplan.sandbox.aws.requests import HANDLERS


def load() -> None:
    """Import every module below ``sandbox.aws``: what is decorated there registers itself."""
    for module in pkgutil.walk_packages(aws.__path__, f"{aws.__name__}."):
        importlib.import_module(module.name)


def actions() -> list[str]:
    """``service:Action`` of everything the sandbox handles itself; the rest is moto's."""
    return sorted(f"{service}:{action}" for service, action in HANDLERS)
