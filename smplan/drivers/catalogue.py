"""Every registered kind, as checks, schemas and help are told of it."""

from __future__ import annotations

from smplan.core.resource_type import Catalogue, KindDoc
from smplan.drivers import registry


def doc(kind: str) -> KindDoc | None:
    """What there is to tell of ``kind``, or None if nothing serves it; imports only what serves it."""
    driver, lookup = registry.driver(kind), registry.lookup(kind)
    if driver is None and lookup is None:
        return None
    return KindDoc(
        name=kind,
        summary=driver.summary if driver else "",
        spec=driver.spec if driver else None,
        outputs={name: output.description for name, output in driver.outputs.items()} if driver else {},
        via_stream_manager=driver.via_stream_manager if driver else False,
        lookup_summary=lookup.summary if lookup else "",
        keys=lookup.keys if lookup else None,
        lookup_outputs={name: output.description for name, output in lookup.outputs.items()} if lookup else {},
    )


def docs() -> tuple[KindDoc, ...]:
    """Every kind there is, by name; imports all of them."""
    found = (doc(kind) for kind in sorted({*registry.drivers(), *registry.lookups()}))
    return tuple(each for each in found if each is not None)


def catalogue() -> Catalogue:
    """Where checks find a kind by its name."""
    return Catalogue(doc, registry.drivers, registry.lookups)
