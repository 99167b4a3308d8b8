"""The sections of a blueprint as models: the source of validation and of the published schemas."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from smplan.core.spec import SENSITIVE, PartialList, Spec

NAME = r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$"
"""Pattern of the name of a resource, lookup, variable or output."""

RESERVED = ("var", "each")

Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=2048)]


class AwsForm(Spec):
    """The AWS region and account."""

    region: Annotated[
        str | None,
        Field(pattern=r"^[a-z]{2,}(-[a-z]+)+-[0-9]+$", max_length=32, description="Region, such as us-east-1."),
    ] = None
    account: Annotated[
        str | None,
        Field(pattern=r"^[0-9]{12}$", description="The 12 digits of the account; applying in another one is refused."),
    ] = None


class StreamManagerForm(Spec):
    """Connection to the Stream Manager API, for kinds whose name begins with `red5.`."""

    url: Annotated[Text, Field(description="Base URL of the API, such as https://sm.example.com.")]
    connect_to: Annotated[
        Text | None,
        Field(description="Host to open the connection to instead of the URL's; URL, Host and SNI stay the same."),
    ] = None
    access_token: Annotated[str, SENSITIVE, Field(description='The API\'s access token: {secret: "env:NAME"}.')]
    api_version: Annotated[Literal["4.0", "3.1"], Field(description="Version of the REST API.")] = "4.0"


class LocalStateForm(Spec):
    """State in a file of this machine."""

    backend: Annotated[Literal["local"], Field(description="A folder of this machine.")] = "local"
    path: Annotated[Text | None, Field(description="The state file, relative to the workspace.")] = None


class S3StateForm(Spec):
    """State in an S3 bucket, shared by everyone with access to it."""

    backend: Annotated[Literal["s3"], Field(description="A bucket.")]
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="Name of the bucket.")]
    key: Annotated[str, Field(min_length=1, max_length=900, description="Prefix of the objects in the bucket.")]
    kms_key_id: Annotated[Text | None, Field(description="KMS key that encrypts the objects.")] = None
    region: Annotated[Text | None, Field(description="Region of the bucket, if it differs from aws.region.")] = None


STATES: dict[str, type[Spec]] = {"local": LocalStateForm, "s3": S3StateForm}
"""The form of `state`, by its backend."""


class VariableForm(Spec):
    """A value that may differ from run to run."""

    type: Annotated[
        Literal["string", "integer", "number", "boolean", "list", "map"], Field(description="Type of the value.")
    ]
    default: Annotated[
        Any,
        Field(
            description="Value unless another is given; without a default one must be given; null makes it optional."
        ),
    ] = None
    description: Annotated[str | None, Field(max_length=1000, description="What the variable is for.")] = None
    minimum: Annotated[int | float | None, Field(description="Minimum value.")] = None
    maximum: Annotated[int | float | None, Field(description="Maximum value.")] = None
    min_length: Annotated[int | None, Field(ge=0, description="Minimum number of characters.")] = None
    max_length: Annotated[int | None, Field(ge=0, description="Maximum number of characters.")] = None
    pattern: Annotated[
        str | None, Field(max_length=500, description="Regular expression the text must contain; ^ and $ pin the ends.")
    ] = None
    min_items: Annotated[int | None, Field(ge=0, description="Minimum number of items or entries.")] = None
    max_items: Annotated[int | None, Field(ge=0, description="Maximum number of items or entries.")] = None
    enum: Annotated[list[Any] | None, Field(min_length=1, max_length=200, description="Allowed values.")] = None


class LookupForm(Spec):
    """An existing resource: found while planning, pinned in the plan."""

    kind: Annotated[str, Field(description="Kind of the resource, such as aws.ec2.vpc.")]
    where: Annotated[dict[str, Any], Field(description="What it must match; exactly one resource may.")]


class LifecycleForm(Spec):
    """Restrictions on what may be done to a resource."""

    prevent_destroy: Annotated[bool, Field(description="Refuse every plan that would delete or replace it.")] = False
    ignore: Annotated[
        PartialList[str],
        Field(max_length=100, description="Fields managed elsewhere, such as tags.owner; never compared or changed."),
    ] = []
    adopt: Annotated[
        bool | dict[Literal["from"], str],
        Field(
            description="Take over an existing resource that no state owns, instead of failing; "
            "{from: LINEAGE/ADDRESS}: one of that owner, as the refusal names it."
        ),
    ] = False
    keep: Annotated[
        bool,
        Field(description="Shared: used if it exists, whoever owns it, created if not, and forgotten, never deleted."),
    ] = False
    keep_generations: Annotated[
        int,
        Field(
            ge=0,
            le=20,
            description="How many replaced generations are not deleted: a former blueprint gets them back instead of "
            "new ones. For images, launch templates and launch configurations.",
        ),
    ] = 0
    allow: Annotated[
        PartialList[str],
        Field(max_length=100, description="Ids of the guide's rules that it breaks on purpose, see docs/rules.md."),
    ] = []


class ResourceForm(Spec):
    """A resource that smplan manages."""

    kind: Annotated[str, Field(description="Kind of the resource, such as aws.elbv2.target_group.")]
    spec: Annotated[dict[str, Any], Field(description="Its desired fields.")] = {}
    when: Annotated[bool | str, Field(description='Whether it exists: true, false, "${var.x}" or "${!var.x}".')] = True
    for_each: Annotated[
        list[Any] | dict[str, Any] | str | None,
        Field(description='One instance per entry: a list of names, a map, or "${var.x}" for one of these.'),
    ] = None
    after: Annotated[
        list[Any], Field(max_length=1000, description="Names of resources that must be complete first.")
    ] = []
    lifecycle: Annotated[dict[str, Any] | None, Field(description="Restrictions on what may be done to it.")] = None


class BlueprintForm(Spec):
    """The desired state of a fleet."""

    smplan: Annotated[Literal[1], Field(description="Version of the format.")]
    name: Annotated[
        str, Field(pattern=r"^[a-z0-9-]{1,40}$", description="Name of the state: a-z, 0-9 and -, at most 40.")
    ]
    aws: Annotated[AwsForm | None, Field(description="Region and account.")] = None
    stream_manager: Annotated[StreamManagerForm | None, Field(description="Connection to the Stream Manager.")] = None
    state: Annotated[
        dict[str, Any] | None,
        Field(description="Where the state is kept; by default in a folder of this machine."),
    ] = None
    variables: Annotated[dict[str, Any], Field(description="Values that may differ from run to run.")] = {}
    lookups: Annotated[dict[str, Any], Field(description="Existing resources that are only read.")] = {}
    resources: Annotated[dict[str, Any], Field(description="Resources that smplan manages.")]
    moved: Annotated[
        list[dict[Literal["from", "to"], str]],
        Field(
            max_length=1000,
            description="New addresses of resources: {from: OLD, to: NEW}. Only needed where what identifies a "
            "resource changed too; a plain rename is recognized.",
        ),
    ] = []
    outputs: Annotated[dict[str, Any], Field(description="Values to show and to store after an apply.")] = {}
