"""``red5.launch_config``: the AMI's name and the instance type per role that nodes are launched with."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from smplan.core.spec import IMMUTABLE, UNORDERED, PartialList, PartialMap, Spec
from smplan.drivers import references
from smplan.drivers.base import Claim, Live
from smplan.drivers.checks import Check, Finding, PlannedResource, PlannedResources
from smplan.drivers.red5._common import StreamManagerDriver
from smplan.errors import Conflict, NotFound

if TYPE_CHECKING:
    from typing import Self

VERSION = "0.0.3"
OLD_API = "3.1"
_DUMMY = {"property-name": "property-value"}
"""Properties and metadata must not be empty (Red5 Pro, Create Launch Config)."""

Role = Literal["origin", "edge", "relay", "transcoder"]


class NodeTarget(Spec):
    """How nodes of one role are launched."""

    role: Annotated[Role, Field(description="What the nodes do.")]
    instance_type: Annotated[str, Field(description="The EC2 instance type, such as c5.large.", min_length=1)]
    connection_capacity: Annotated[int, Field(description="How many connections one node accepts.", ge=1)]
    image: Annotated[
        str | None, references.IMAGE_NAME, Field(description="The AMI name for this role alone (API 4.0).")
    ] = None


class LaunchConfigSpec(Spec):
    """A launch configuration of nodes, of at most 65,535 characters of JSON.

    What nodes are launched from is never changed under a group: another configuration, and another group, replace them.
    """

    name: Annotated[str, IMMUTABLE, Field(description="Its name.", min_length=1, max_length=254)]
    description: Annotated[str, Field(description="What it is for.", max_length=254)] = ""
    image: Annotated[
        str,
        references.IMAGE_NAME,
        IMMUTABLE,
        Field(description="The NAME (not the id) of the AMI of the nodes.", min_length=1),
    ]
    targets: Annotated[
        PartialList[NodeTarget], IMMUTABLE, UNORDERED, Field(description="The roles, each once.", min_length=1)
    ]
    properties: Annotated[
        PartialMap[str],
        IMMUTABLE,
        Field(description="Properties, such as UserData: `file:/path` on the Stream Manager, or `base64:…`."),
    ] = {}
    metadata: Annotated[PartialMap[str], IMMUTABLE, Field(description="Tags of the nodes.")] = {}

    @model_validator(mode="after")
    def _roles_differ(self) -> Self:
        if self.known("targets"):
            targets: list[Any] = list(self.targets)  # placeholders among them
            roles = [each.role for each in targets if isinstance(each, NodeTarget) and each.known("role")]
            if len(set(roles)) < len(roles):
                raise ValueError("`targets` names a role twice")
        return self


class LaunchConfig(StreamManagerDriver[LaunchConfigSpec]):
    """POST, GET, PUT and DELETE of ``/admin/configurations/launchconfig``."""

    kind = "red5.launch_config"
    summary = "How nodes are launched: the AMI's name, and an instance type per role."
    spec = LaunchConfigSpec

    def read_many(self, ids: Collection[str]) -> dict[str, Live[LaunchConfigSpec]]:
        """One list, then one read for each that exists."""
        api = self.api
        existing = set(api.launch_configs()) & set(ids) if ids else set()
        found = {}
        for name in sorted(existing):
            with suppress(NotFound):
                found[name] = Live(name, _spec(api.launch_config(name)))
        return found

    def create(self, spec: LaunchConfigSpec, claim: Claim) -> str:
        """One POST; the name is the id."""
        self.api.put_launch_config(_body(spec), new=True)
        return spec.name

    def update(self, live: Live[LaunchConfigSpec], spec: LaunchConfigSpec) -> None:
        """One PUT of the whole configuration, with what it has besides: only its description differs."""
        if live.spec != spec:
            api = self.api
            api.put_launch_config({**api.launch_config(live.id), "description": spec.description}, new=False)

    def checks(self, planned: PlannedResources) -> Iterator[Check]:
        """Whether the API in use knows an image for one role alone."""
        changed = planned.changed(self.kind)
        if changed:
            settings = planned.stream_manager()
            version = settings.get("api_version") if isinstance(settings, Mapping) else None
            yield Check("images per role", partial(_refused_images, changed, version))

    def delete(self, id: str) -> None:
        """Already gone is success; one that a group uses raises InUse."""
        with suppress(NotFound):
            self.api.delete_launch_config(id)

    def find(self, spec: LaunchConfigSpec) -> Live[LaunchConfigSpec] | None:
        """The launch configuration of that name."""
        return self.read_many([spec.name]).get(spec.name)


def _refused_images(changed: list[PlannedResource], version: object) -> Iterator[Finding]:
    for each in changed:
        targets = each.values("targets")
        if version == OLD_API and any(isinstance(one, NodeTarget) and one.image is not None for one in targets):
            message = f"version {OLD_API} of the API has one `image` for all roles, and ignores that of a target"
            yield each.refuse("targets", message, 'remove it, or write `api_version: "4.0"` in `stream_manager`')


def _body(spec: LaunchConfigSpec) -> dict[str, Any]:
    targets = [
        {
            "role": target.role,
            "instanceType": target.instance_type,
            "connectionCapacity": str(target.connection_capacity),
            **({"image": target.image} if target.image else {}),
        }
        for target in spec.targets
    ]
    properties = [{"name": name, "value": value} for name, value in (spec.properties or _DUMMY).items()]
    metas = [{"key": key, "value": value} for key, value in (spec.metadata or _DUMMY).items()]
    head = {"name": spec.name, "description": spec.description, "image": spec.image, "version": VERSION}
    return {
        **head,
        "targets": {"target": targets},
        "properties": {"property": properties},
        "metadata": {"meta": metas},
    }


def _spec(config: dict[str, Any]) -> LaunchConfigSpec:
    """The configuration as a spec; numbers may be text. Raises Conflict for other forms."""
    try:
        targets = [_target(each) for each in (config.get("targets") or {}).get("target") or ()]
        return LaunchConfigSpec(
            name=config["name"],
            description=config.get("description") or "",
            image=config["image"],
            targets=targets,
            properties=_pairs(config.get("properties"), "property", "name"),
            metadata=_pairs(config.get("metadata"), "meta", "key"),
        )
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError):
        message = f"the launch configuration {config.get('name')} does not have the form of version {VERSION}"
        raise Conflict(message, hint="delete it with the Stream Manager API, or choose another name") from None


def _target(given: dict[str, Any]) -> NodeTarget:
    return NodeTarget(
        role=given["role"],
        instance_type=given["instanceType"],
        connection_capacity=int(float(given["connectionCapacity"])),
        image=given.get("image") or None,
    )


def _pairs(data: Mapping[str, Any] | None, inner: str, key: str) -> dict[str, str]:
    """A list of {name, value} as a map, without the dummy entry."""
    found = {str(item[key]): str(item.get("value", "")) for item in (data or {}).get(inner) or ()}
    return {} if found == _DUMMY else found
