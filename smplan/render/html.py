"""A plan as one self-contained HTML page: no script, no external resources."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from smplan.core.diff import AttributeChange
from smplan.core.plan.model import Plan, Step
from smplan.render import attributes
from smplan.render.formatting import DESTRUCTIVE, SIGNS, plain, summary, value

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24 }
code, pre { font: 13px/1.45 ui-monospace, monospace } pre { white-space: pre-wrap; margin: .2rem 0 }
section { border-left: 4px solid #8aa; padding: .2rem .8rem; margin: .8rem 0; background: #f7f9fa }
.create { border-color: #2a7 } .update, .adopt, .scale { border-color: #d90 }
.delete, .replace, .unprotect { border-color: #c33; background: #fff3f2 }
.gate { border-color: #36c } h2 { font-size: 1rem; margin: .2rem 0 }
dt { float: left; width: 6rem; color: #57606a } .risk { color: #b00; font-weight: 600 }
.need, .why, footer { color: #57606a; font-size: .9rem } del { color: #b00 } ins { color: #176; text-decoration: none }
"""


def plan(plan: Plan) -> str:
    """The page."""
    destructive = [step for step in plan.steps if step.op in DESTRUCTIVE or step.risks]
    body = [f"<h1>smplan: {_text(plan.name)} ({plan.mode})</h1>", f"<p>{_text(summary(plan))}</p>"]
    facts = "".join(f"<dt>{name}</dt><dd>{_text(text)}</dd>" for name, text in attributes.origin(plan).items())
    body.append(f"<dl>{facts}</dl>")
    if destructive:
        items = "".join(
            f"<li><a href='#{_id(step)}'>{SIGNS[step.op]} {_text(step.address)}</a> {step.op}</li>"
            for step in destructive
        )
        body.append(f"<h2>Destroys or endangers</h2><ul>{items}</ul>")
    if plan.interruptions:
        items = "".join(f"<li>{_text(each)}</li>" for each in attributes.interruptions(plan))
        body.append(f"<h2>What clients notice</h2><ul class='risk'>{items}</ul>")
    if plan.drift:
        items = "".join(f"<li>{_text(line)}</li>" for line in _drift(plan))
        body.append(f"<h2>Changed outside smplan since the last apply</h2><ul>{items}</ul>")
    body += [
        f"<p>{_text(address)} cannot be read and is left unchanged: {_text(why)}</p>"
        for address, why in plan.unreadable.items()
    ]
    body += [f"<p>{_text(line)}</p>" for line in (*attributes.left_as_is(plan), *attributes.not_checked(plan))]
    body += [f"<p class='risk'>warning: {_text(each)}</p>" for each in plan.warnings]
    body += ["".join(_step(step)) for step in plan.steps]
    body.append(
        f"<footer>Plan <code>{_text(plan.id)}</code>, digest <code>{_text(plan.digest)}</code>, "
        f"may be applied until {_text(plan.expires)}.</footer>"
    )
    title = f"<title>smplan: {_text(plan.name)}</title>"
    return (
        f"<!doctype html>\n<html lang='en'><meta charset='utf-8'>{title}<style>{_STYLE}</style>\n"
        + "\n".join(body)
        + "\n"
    )


def _step(step: Step) -> Iterator[str]:
    yield f"<section class='{step.op}' id='{_id(step)}'><h2>{SIGNS[step.op]} {_text(step.address)} "
    yield f"<code>{_text(step.kind)}</code> {step.op}</h2>"
    yield from (f"<p class='why'>because {_text(reason)}</p>" for reason in step.reasons)
    yield from (f"<p class='risk'>{_text(str(risk))}</p>" for risk in step.risks)
    yield from map(_change, step.changes)
    if step.after and attributes.is_shown_whole(step):
        yield from (f"<pre>{_text(str(name))}: {_value(data)}</pre>" for name, data in step.after.items())
    for dependency in step.depends_on:
        source = f" [{_text(dependency.source)}]" if dependency.source else ""
        yield f"<p class='need'>after {_text(dependency.step)}: {_text(dependency.reason)}{source}</p>"
    yield "</section>"


def _change(change: AttributeChange) -> str:
    path, lines = _text(change.path), attributes.text_diff(change)
    if lines:
        shown = "\n".join(map(_text, lines))
        return f"<details><summary><code>{path}</code>: the lines that change</summary><pre>{shown}</pre></details>"
    before, after = map(_text, attributes.both(change))
    return f"<pre>{path}: <del>{before}</del> <ins>{after}</ins></pre>"


def _drift(plan: Plan) -> Iterator[str]:
    for each in plan.drift:
        if each.gone:
            yield f"{each.address} is gone"
        for change in each.changes:
            yield f"{each.address} {change.path}: was {value(change.before)}, is {value(change.after)}"


def _value(data: object) -> str:
    return _text(data if isinstance(data, str) else value(data))


def _id(step: Step) -> str:
    return _text(step.id.replace(" ", "-"))


def _text(text: str) -> str:
    return escape(plain(text), quote=True)
