"""``smplan kinds`` and ``schema``: what can be written in a blueprint, for people and for editors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smplan.cli import options

if TYPE_CHECKING:
    from smplan.core.resource_type import KindDoc

Kind = Annotated[str | None, typer.Argument(help="One kind, such as aws.elbv2.listener; without it, all.")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: smplan kinds aws.autoscaling.group")(kinds)
    app.command(epilog="Example: smplan schema > blueprint.schema.json")(schema)


def kinds(
    kind: Kind = None,
    as_json: options.AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the reference of all kinds as Markdown.")] = False,
) -> None:
    """List the kinds, or show the fields and outputs of one."""
    from smplan.drivers import catalogue

    if markdown:
        typer.echo(_reference(), nl=False)
        return
    if kind is not None:
        found = _one(kind)
        typer.echo(json.dumps(_data(found), indent=1) if as_json else _described(found))
        return
    every = catalogue.docs()
    if as_json:
        typer.echo(json.dumps([_data(each) for each in every], indent=1))
        return
    width = max(len(each.name) for each in every)
    for each in every:
        what = each.summary or each.lookup_summary
        typer.echo(f"{each.name:<{width}}  {'' if each.spec else '(lookup) '}{what}")
    options.next_command("smplan kinds KIND   # its fields and outputs")


def _reference() -> str:
    from smplan.drivers import registry
    from smplan.render import kinds_doc

    return kinds_doc.page(registry.drivers(), registry.lookups())


def schema(
    kind: Kind = None,
    write: Annotated[Path | None, typer.Option(help="Write all schemas into this folder instead.")] = None,
) -> None:
    """Print the JSON Schema of blueprints (or of one kind's spec), for editors."""
    from smplan.drivers import catalogue
    from smplan.render import schema as schemas

    if kind is not None:
        _one(kind)
    made = schemas.generate(catalogue.docs())
    if write is None:
        typer.echo(_schema(made, kind) if kind else made["blueprint.schema.json"], nl=False)
        return
    there = {path for folder in ("kinds", "lookups") for path in (write / folder).glob("*.schema.json")}
    for stale in there - {write / name for name in made}:
        stale.unlink()
    for name, text in made.items():
        path = write / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    typer.echo(f"Wrote {len(made)} schemas into {write}.")


def _schema(made: Mapping[str, str], kind: str) -> str:
    """The schema of a kind's spec; of its ``where`` if it can only be looked up."""
    return made.get(f"kinds/{kind}.schema.json") or made[f"lookups/{kind}.schema.json"]


def _one(kind: str) -> KindDoc:
    import difflib

    from smplan.drivers import catalogue
    from smplan.errors import SmplanError

    found = catalogue.doc(kind)
    if found is None:
        near = difflib.get_close_matches(kind, [each.name for each in catalogue.docs()], 1)
        raise SmplanError(f"there is no kind `{kind}`", hint=f"did you mean `{near[0]}`?" if near else "smplan kinds")
    return found


def _data(kind: KindDoc) -> dict[str, object]:
    return {
        "kind": kind.name,
        "summary": kind.summary,
        "spec": kind.spec.model_json_schema() if kind.spec else None,
        "outputs": dict(kind.outputs),
        "lookup": {"where": dict(kind.keys), "outputs": dict(kind.lookup_outputs)} if kind.keys is not None else None,
    }


def _described(kind: KindDoc) -> str:
    from smplan.core.spec import fields

    lines = [kind.name, f"  {kind.summary or kind.lookup_summary}", ""]
    if kind.spec:
        lines.append("spec:")
        for name, facts in fields(kind.spec).items():
            info = kind.spec.model_fields[name]
            marks = [fact.name for fact in sorted(facts.traits, key=lambda fact: fact.name)]
            marks += ["required"] if info.is_required() else []
            lines += [f"  {name} ({', '.join(marks)})" if marks else f"  {name}", f"      {info.description or ''}"]
    sections = (
        ("outputs", kind.outputs),
        ("where (lookup)", kind.keys),
        ("outputs of the lookup", kind.lookup_outputs),
    )
    for title, found in sections:
        if found:
            lines += ["", f"{title}:", *(f"  {name}: {told}" for name, told in found.items())]
    return "\n".join(lines)
