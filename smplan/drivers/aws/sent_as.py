"""The member of AWS's service model that each field of a spec is sent as.

``tests/drivers/aws/test_constraints.py`` holds the fields to it: what the model refuses, the spec refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SentAs:
    """Where the fields of a spec are in a request.

    ``operation``: such as ``ec2:CreateImage``; empty for a nested spec, whose members are those of its field.
    ``members``: field to member, such as ``Ebs.VolumeSize`` or ``Tags[].Value``, perhaps of another operation
    (``ModifyX:Member``); by default the field's name in Pascal case.
    ``not_bound``: field to the reason why the model says nothing of it.
    """

    operation: str = ""
    members: Mapping[str, str] = field(default_factory=dict)
    not_bound: Mapping[str, str] = field(default_factory=dict)

    def member(self, name: str) -> str | None:
        """The member of the field ``name``; None if it is not bound."""
        return None if name in self.not_bound else self.members.get(name) or _pascal_case(name)


def _pascal_case(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
