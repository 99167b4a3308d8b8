"""The committed ``docs/kinds.md`` is the generated one, and what it says of fields of every shape."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Literal

from pydantic import Field

from smplan.core.reference import Reference
from smplan.core.resource_type import IamActions, Output, Protection
from smplan.core.spec import IMMUTABLE, UNORDERED, Spec
from smplan.drivers import registry
from smplan.render import kinds_doc

PAGE = Path(__file__).parents[2] / "docs" / "kinds.md"


class Inner(Spec):
    """A part."""

    port: int


class Outer(Spec):
    """Fields of every shape."""

    name: Annotated[str, IMMUTABLE, Field(description="Its name | unique.", min_length=1, max_length=9)]
    zones: Annotated[list[Literal["a", "b"]] | None, UNORDERED, Field(min_length=1)] = None
    tags: dict[str, str] | None = Field(None, max_length=48)
    inner: Inner | None = None
    parts: list[Inner] | None = None
    image: Annotated[
        str | None, Reference("the id of an image", ("toy.image.id",)), Field(pattern="^ami-", description="")
    ] = None
    mode: Literal["x"] = "x"


def test_committed_page_is_fresh() -> None:
    fresh = kinds_doc.page(registry.drivers(), registry.lookups())
    assert PAGE.read_text(encoding="utf-8") == fresh, "run `make docs`"


def test_every_kind_has_its_section_and_every_link_its_heading() -> None:
    text = PAGE.read_text(encoding="utf-8")
    headings = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert headings == [*sorted(registry.drivers()), *(f"lookup {name}" for name in sorted(registry.lookups()))]
    anchors = {heading.replace(" ", "-").replace(".", "") for heading in headings} | {"resources", "lookups"}
    assert set(re.findall(r"\(#([^)]+)\)", text)) == anchors


def test_a_field_shows_its_type_limits_default_and_traits() -> None:
    def risks() -> None:
        """Of a deletion.

        More.
        """

    driver = SimpleNamespace(
        summary="A toy.",
        spec=Outer,
        outputs={"arn": Output("Its ARN.")},
        iam_actions=IamActions(read=("ec2:DescribeToys",)),
        gate=False,
        virtual=False,
        via_stream_manager=True,
        create_before_delete=False,
        taggable=True,
        risks=risks,
        protection=Protection("locked", "a lock"),
        overrides=(SimpleNamespace(field="name", kind="toy.other", fields=("size",)),),
    )
    text = kinds_doc.page({"toy.one": driver}, {})
    for line in (
        "| `name` | string, 1 to 9 characters | required | immutable | Its name \\| unique. |",
        "| `zones` | list of a or b, at least 1 items |  | unordered |  |",
        "| `tags` | map of string, at most 48 entries |  |  |  |",
        "| `inner` | map of the fields below |  |  |  |",
        "| `inner.port` | integer | required |  |  |",
        "| `parts` | list of map of the fields below |  |  |  |",
        "| `parts[].port` | integer | required |  |  |",
        '| `mode` | x | `"x"` |  |  |',
        "| `image` | string, pattern `^ami-` |  |  | Takes the id of an image: `toy.image.id`. |",
        "| `arn` | Its ARN. |",
        "- Replacement: delete first.",
        "- Read and changed through a Stream Manager in service.",
        "- Risks: Of a deletion.",
        "- Protected from deletion by `locked`.",
        "- Changes `size` of the `toy.other` that `name` names.",
        "IAM, reads: `ec2:DescribeToys`",
    ):
        assert line in text.splitlines(), line
