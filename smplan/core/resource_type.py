"""Resource types and lookup types: what a driver or a lookup declares of its kind, in class attributes.

This is the only declaration of a kind. ``drivers.base.Driver`` and ``Lookup`` inherit from it and add the methods that
send requests; planning, checks, schemas and help read the attributes of the class and never make an instance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from smplan.core import canonical_json
from smplan.core.reference import Reference
from smplan.core.risk import Effect, Risk
from smplan.core.spec import IMMUTABLE, UNORDERED, Spec, fields
from smplan.core.value_types import ValueType
from smplan.core.values import Json, PartialValue, encode

AWS_KINDS = ("aws.", "gate.targets")
"""How the names of the kinds that send requests to AWS begin."""


@dataclass(frozen=True, slots=True)
class Output:
    """An attribute that others may refer to, beside the fields and ``id``.

    ``may_change_on_update``: an update in place may change it (a version number), so a plan cannot know it.
    ``tracked``: a change outside smplan is drift, although no field manages it (a policy that was disabled).
    ``type``: that of its value. ``reference``: what it gives to fields that take the same.
    """

    description: str
    may_change_on_update: bool = False
    tracked: bool = False
    type: ValueType = "text"
    reference: Reference | None = None


@dataclass(frozen=True, slots=True)
class IamActions:
    """The AWS actions a driver calls, as IAM names them: ``ec2:DescribeImages``."""

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    check: tuple[str, ...] = ()
    """Called by checks while planning only, and optional: without them the plan says what was not checked."""


@dataclass(frozen=True, slots=True)
class Override:
    """A kind that changes fields of another resource: a scheduled action sets the size of its scaling group.

    ``field`` refers to the resource of ``kind``, by reference, name or id. That resource may have each of ``fields`` at
    the value of the same field here (None: it is not changed). That is neither a change to plan nor drift.
    """

    field: str
    kind: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Protection:
    """What makes AWS refuse to delete a resource, until ``Driver.unprotect`` has removed it.

    ``attribute`` is the field or output that shows it: on unless it is false, empty, or one of ``off``.
    """

    attribute: str
    name: str
    off: tuple[str, ...] = ()

    def is_on(self, attributes: Mapping[str, Json]) -> bool:
        """Whether a resource with these attributes is protected."""
        value = attributes.get(self.attribute)
        return bool(value) and value not in self.off


@dataclass(frozen=True, slots=True)
class Scaling:
    """The fields of a kind that `smplan scale` sets, and the one that limits them."""

    minimum: str
    desired: str
    maximum: str


@dataclass(frozen=True, slots=True)
class Exclusive:
    """What the field ``of`` refers to can be used with one resource of the field ``to`` only.

    A target group serves one load balancer: a listener of another load balancer needs another target group.
    """

    of: str
    to: str


class DeclaredResource:
    """One kind of resource, declared."""

    kind: ClassVar[str]
    """Its name, which is also the path of its module: ``aws.ec2.image``."""
    summary: ClassVar[str]
    """One line for people."""
    spec: ClassVar[type[Spec]]
    outputs: ClassVar[Mapping[str, Output]] = {}
    iam_actions: ClassVar[IamActions] = IamActions()

    name_field: ClassVar[str | None] = None
    """The field that holds a name unique among its kind; a replacement is named ``name-<hash6>``."""
    name_limit: ClassVar[int] = 255
    key_fields: ClassVar[tuple[str, ...]] = ()
    """The fields whose values only one resource can have; empty: ``name_field``, else every IMMUTABLE field."""
    create_before_delete: ClassVar[bool] = True
    """Whether the new one can be created while the old one exists; if not, a replacement deletes first."""
    restorable: ClassVar[bool] = False
    """Whether a replaced generation can become the current one again: it does nothing while nothing uses it."""
    exclusive: ClassVar[Exclusive | None] = None
    """What else is replaced with it, so that the new one can be created while the old one exists."""
    taggable: ClassVar[bool] = True
    """Whether its tags say who owns it; if not, state and natural key decide."""
    gate: ClassVar[bool] = False
    """A wait for a condition: nothing is read, updated or deleted, only ``wait_ready`` runs."""
    virtual: ClassVar[bool] = False
    """It exists in the state only: nothing is read."""
    via_stream_manager: ClassVar[bool] = False
    """Read and changed through a Stream Manager, which may not be in service."""
    expected_seconds: ClassVar[float] = 1
    """How long creating one takes on AWS, for estimates."""
    timeout_seconds: ClassVar[float] = 600
    """The limit of each of ``wait_ready``, ``drain`` and ``wait_deleted``."""
    protection: ClassVar[Protection | None] = None
    """What makes AWS refuse to delete it."""
    scaling: ClassVar[Scaling | None] = None
    """How it is scaled; None for what has no size."""
    awaits: ClassVar[str] = ""
    """For a gate: the field with the number of instances that it waits for."""
    left_behind: ClassVar[str] = "it continues to exist"
    """What a resource that is abandoned continues to do or cost."""
    overrides: ClassVar[tuple[Override, ...]] = ()
    """The fields of other resources that this one changes."""

    @classmethod
    def risks(cls, effect: Effect) -> Iterable[Risk]:
        """None. A kind that overrides this says in the first line of its docstring what is a risk."""
        return ()

    @classmethod
    def duration(cls, effect: Effect) -> float:
        """How long a step with this effect takes on AWS, for estimates: a create's time, unless a kind knows more."""
        return cls.expected_seconds

    @classmethod
    def lingers(cls, effect: Effect) -> float:
        """Seconds for which clients still use what an update has changed: what that was is not deleted meanwhile."""
        return 0

    @classmethod
    def compute_outputs(cls, spec: Any) -> Mapping[str, PartialValue]:
        """The outputs of a virtual kind, which follow from its spec, placeholders included."""
        return {}

    @classmethod
    def natural_key_fields(cls) -> tuple[str, ...]:
        """The fields that make up the natural key; ``find`` needs no other."""
        if cls.gate or cls.virtual:
            return ()
        names = cls.key_fields or ((cls.name_field,) if cls.name_field else ())
        return names or tuple(name for name, field in fields(cls.spec).items() if field.has(IMMUTABLE))

    @classmethod
    def natural_key(cls, spec: Mapping[str, PartialValue]) -> str:
        """A text that is equal for specs of one and the same resource; empty for kinds where nothing is unique.

        References are compared as written: the key of a spec with unknown values equals no key of a record.
        """
        traits, names = fields(cls.spec), cls.natural_key_fields()
        if not any(name in spec for name in names):
            return ""
        values = {name: encode(traits[name].canonical(spec[name])) for name in names if spec.get(name) is not None}
        return canonical_json.canonical(values).decode()

    @classmethod
    def identity_digest(cls, spec: Json) -> str:
        """SHA-256 of what never changes in an (encoded) spec: one resource cannot become one of another digest.

        It is at least as fine as the natural key: two resources of one natural key may differ in it.
        """
        members = spec if isinstance(spec, dict) else {}
        fixed = {
            name: sorted(members[name], key=repr) if traits.has(UNORDERED) else members[name]
            for name, traits in fields(cls.spec).items()
            if name in members and (traits.has(IMMUTABLE) or name == cls.name_field)
        }
        return canonical_json.digest(fixed)


class DeclaredLookup:
    """One kind of existing resource that can be looked up, declared."""

    kind: ClassVar[str]
    summary: ClassVar[str]
    keys: ClassVar[Mapping[str, str]]
    """The keys of ``where`` (AWS's filter names or attributes), each with its description; ``tag:*`` is any tag."""
    outputs: ClassVar[Mapping[str, Output]]
    iam_actions: ClassVar[IamActions] = IamActions()
    key_references: ClassVar[Mapping[str, Reference]] = {}
    """The keys that take an attribute of another lookup, each with what it takes."""


ResourceType: TypeAlias = type[DeclaredResource]
LookupType: TypeAlias = type[DeclaredLookup]

ResourceTypes: TypeAlias = Callable[[str], ResourceType]
"""The type of that name. Raises KeyError for an unknown name."""


@dataclass(frozen=True)
class Catalogue:
    """Every kind by name; None for an unknown name. The lists of all names are only needed to suggest one."""

    resource: Callable[[str], ResourceType | None]
    lookup: Callable[[str], LookupType | None]
    resources: Callable[[], Iterable[str]]
    lookups: Callable[[], Iterable[str]]
