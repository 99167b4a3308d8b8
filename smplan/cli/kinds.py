"""``smplan kinds``: the kinds of resources and lookups, their fields and outputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from smplan.cli import options

if TYPE_CHECKING:
    from smplan.core.resource_type import LookupType, Output, ResourceType

    Types: TypeAlias = tuple[ResourceType | None, LookupType | None]

Kind = Annotated[str | None, typer.Argument(help="One kind, such as aws.elbv2.listener; default: all.")]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(epilog="Example: smplan kinds aws.autoscaling.group")(kinds)


def kinds(
    kind: Kind = None,
    as_json: options.AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the reference of all kinds as Markdown.")] = False,
) -> None:
    """List the kinds, or show the fields and outputs of one."""
    if markdown:
        typer.echo(_reference(), nl=False)
        return
    if kind is not None:
        found = find(kind)
        typer.echo(json.dumps(_data(kind, *found), indent=1) if as_json else _described(kind, *found))
        return
    every = {name: _types(name) for name in _names()}
    if as_json:
        typer.echo(json.dumps([_data(name, *types) for name, types in every.items()], indent=1))
        return
    width = max(len(name) for name in every)
    for name, (resource, lookup) in every.items():
        typer.echo(f"{name:<{width}}  {'' if resource else '(lookup) '}{_summary(resource, lookup)}")
    options.next_command("smplan kinds KIND   # its fields and outputs")


def _reference() -> str:
    from smplan.drivers import registry
    from smplan.render import kinds_doc

    return kinds_doc.page(registry.drivers(), registry.lookups())


def _names() -> list[str]:
    from smplan.drivers import registry

    return sorted({*registry.drivers(), *registry.lookups()})


def _types(kind: str) -> Types:
    from smplan.drivers import registry

    return registry.driver(kind), registry.lookup(kind)


def find(kind: str) -> Types:
    """The resource type and the lookup type called ``kind``. Raises SmplanError if there is neither."""
    import difflib

    from smplan.errors import SmplanError

    found = _types(kind)
    if found == (None, None):
        near = difflib.get_close_matches(kind, _names(), 1)
        raise SmplanError(
            f"there is no kind `{kind}`", hint=f"did you mean `{near[0]}`?" if near else "list them with `smplan kinds`"
        )
    return found


def _summary(resource: ResourceType | None, lookup: LookupType | None) -> str:
    declared = resource or lookup
    return declared.summary if declared else ""


def _descriptions(outputs: Mapping[str, Output]) -> dict[str, str]:
    return {name: output.description for name, output in outputs.items()}


def _data(kind: str, resource: ResourceType | None, lookup: LookupType | None) -> dict[str, object]:
    from smplan.render import kinds_doc

    return {
        "kind": kind,
        "summary": resource.summary if resource else "",
        "spec": resource.spec.model_json_schema() if resource else None,
        "fields": [asdict(row) for row in kinds_doc.field_rows(resource.spec)] if resource else [],
        "outputs": _descriptions(resource.outputs) if resource else {},
        "lookup": {"where": dict(lookup.keys), "outputs": _descriptions(lookup.outputs)} if lookup else None,
    }


def _described(kind: str, resource: ResourceType | None, lookup: LookupType | None) -> str:
    from smplan.render import kinds_doc

    lines = [kind, f"  {_summary(resource, lookup)}", ""]
    if resource:
        lines.append("spec:")
        for row in kinds_doc.field_rows(resource.spec):
            notes = [*row.traits, "required"] if row.required else [*row.traits]
            lines += [f"  {row.path} ({', '.join(notes)})" if notes else f"  {row.path}"]
            lines += ["      " + row.type.replace("`", "") + (f"; default {row.default}" if row.default else "")]
            lines += [f"      {text}" for text in (row.description, row.takes.replace("`", "")) if text]
    sections = (
        ("outputs", _descriptions(resource.outputs) if resource else {}),
        ("where (lookup)", lookup.keys if lookup else {}),
        ("outputs of the lookup", _descriptions(lookup.outputs) if lookup else {}),
    )
    for title, found in sections:
        if found:
            lines += ["", f"{title}:", *(f"  {name}: {description}" for name, description in found.items())]
    return "\n".join(lines)
