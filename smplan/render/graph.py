"""The order of the resources as a graph: Mermaid for pull requests and wikis, DOT for Graphviz."""

from __future__ import annotations

from collections.abc import Sequence

from smplan.core.graph import Edge
from smplan.render.formatting import one_line

Nodes = Sequence[tuple[str, str]]
"""Address and kind of each resource, in order."""


def mermaid(nodes: Nodes, edges: Sequence[Edge]) -> str:
    """A Mermaid flowchart: references are thin arrows, ordering rules thick ones labelled with their reason."""
    names = {address: f"n{position}" for position, (address, _) in enumerate(nodes)}
    lines = ["flowchart TD"]
    lines += [f'    {names[address]}["{_entity(address)}<br/><i>{_entity(kind)}</i>"]' for address, kind in nodes]
    for edge in edges:
        before, after = names[edge.before], names[edge.after]
        if edge.reference:
            lines.append(f"    {before} --> {after}")
        else:
            lines.append(f'    {before} == "{_entity(edge.reason)}" ==> {after}')
    return "\n".join(lines) + "\n"


def _entity(text: str) -> str:
    """``text`` with the characters special to Mermaid or HTML as numbered entities."""
    return "".join(char if char.isalnum() or char in " .,_-/:()%" else f"#{ord(char)};" for char in one_line(text))


def dot(nodes: Nodes, edges: Sequence[Edge]) -> str:
    """A Graphviz graph; every edge is labelled with its reason."""
    lines = ["digraph smplan {", '  rankdir="TB"; node [shape="box", fontname="sans-serif"];']
    lines += [f"  {_quoted(address)} [label={_quoted(address, kind)}];" for address, kind in nodes]
    for edge in edges:
        style = "" if edge.reference else ', style="bold"'
        lines.append(f"  {_quoted(edge.before)} -> {_quoted(edge.after)} [label={_quoted(edge.reason)}{style}];")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(*texts: str) -> str:
    escaped = (one_line(text).replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return '"' + "\\n".join(escaped) + '"'
