"""The shape of a blueprint: which keys there are and what each may hold. Checked when loading, told in the schemas."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from smplan.core.spec import SENSITIVE, PartialList, Spec

NAME = r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$"
"""What a resource, lookup, variable or output may be called."""

RESERVED = ("var", "each")

Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=2048)]


class AwsForm(Spec):
    """Where in AWS everything is."""

    region: Annotated[
        str | None, Field(pattern=r"^[a-z]{2,}(-[a-z0-9]+)+$", max_length=32, description="Region, such as us-east-1.")
    ] = None
    account: Annotated[
        str | None,
        Field(pattern=r"^[0-9]{12}$", description="The 12 digits of the account; applying in another one is refused."),
    ] = None


class StreamManagerForm(Spec):
    """How the Stream Manager API is reached, by every kind whose name begins with `red5.`."""

    url: Annotated[Text, Field(description="Base URL of the API, such as https://sm.example.com.")]
    connect_to: Annotated[
        Text | None,
        Field(description="Host to open the connection to instead of the URL's; URL, Host and SNI stay what they are."),
    ] = None
    access_token: Annotated[str, SENSITIVE, Field(description='The API\'s access token: {secret: "env:NAME"}.')]
    api_version: Annotated[Literal["4.0", "3.1"], Field(description="Version of the REST API.")] = "4.0"


class LocalStateForm(Spec):
    """State in a file of this machine."""

    backend: Annotated[Literal["local"], Field(description="A folder of this machine.")] = "local"
    path: Annotated[Text | None, Field(description="The state file, relative to the workspace.")] = None


class S3StateForm(Spec):
    """State in a bucket, shared by everybody who may use it."""

    backend: Annotated[Literal["s3"], Field(description="A bucket.")]
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="Name of the bucket.")]
    key: Annotated[str, Field(min_length=1, max_length=900, description="Prefix of the objects in the bucket.")]
    kms_key_id: Annotated[Text | None, Field(description="KMS key that encrypts the objects.")] = None
    region: Annotated[Text | None, Field(description="Region of the bucket, if it is another one.")] = None


STATES: dict[str, type[Spec]] = {"local": LocalStateForm, "s3": S3StateForm}
"""The form of `state`, by its backend."""


class VariableForm(Spec):
    """A value that may differ from run to run."""

    type: Annotated[
        Literal["string", "integer", "number", "boolean", "list", "map"], Field(description="What the value must be.")
    ]
    default: Annotated[
        Any,
        Field(description="The value unless another is given; without it one must be given; null: may be left out."),
    ] = None
    description: Annotated[str | None, Field(max_length=1000, description="What it is for.")] = None
    minimum: Annotated[int | float | None, Field(description="The least number allowed.")] = None
    maximum: Annotated[int | float | None, Field(description="The greatest number allowed.")] = None
    min_length: Annotated[int | None, Field(ge=0, description="The least number of characters.")] = None
    max_length: Annotated[int | None, Field(ge=0, description="The greatest number of characters.")] = None
    pattern: Annotated[
        str | None, Field(max_length=500, description="Regular expression the text must contain; ^ and $ pin the ends.")
    ] = None
    min_items: Annotated[int | None, Field(ge=0, description="The least number of items or entries.")] = None
    max_items: Annotated[int | None, Field(ge=0, description="The greatest number of items or entries.")] = None
    enum: Annotated[list[Any] | None, Field(min_length=1, max_length=200, description="The only values allowed.")] = (
        None
    )


class LookupForm(Spec):
    """Something that exists already: found while planning, pinned in the plan."""

    kind: Annotated[str, Field(description="Kind of the thing, such as aws.ec2.vpc.")]
    where: Annotated[dict[str, Any], Field(description="What it must match; exactly one thing may.")]


class LifecycleForm(Spec):
    """What may be done to a resource."""

    prevent_destroy: Annotated[bool, Field(description="Refuse every plan that would delete or replace it.")] = False
    ignore: Annotated[
        PartialList[str],
        Field(max_length=100, description="Fields that others change, such as tags.owner; they are let be."),
    ] = []
    adopt: Annotated[bool, Field(description="Take over what exists already under its name, instead of refusing.")] = (
        False
    )


class ResourceForm(Spec):
    """Something that smplan makes and keeps right."""

    kind: Annotated[str, Field(description="Kind of the thing, such as aws.elbv2.target_group.")]
    spec: Annotated[dict[str, Any], Field(description="What it must be.")] = {}
    when: Annotated[bool | str, Field(description='Whether there is one: true, false, "${var.x}" or "${!var.x}".')] = (
        True
    )
    for_each: Annotated[
        list[Any] | dict[str, Any] | str | None,
        Field(description='One instance each: a list of names, a map, or "${var.x}" for one of these.'),
    ] = None
    after: Annotated[list[Any], Field(max_length=1000, description="Names of resources that must be done first.")] = []
    lifecycle: Annotated[dict[str, Any] | None, Field(description="What may be done to it.")] = None


class BlueprintForm(Spec):
    """A fleet, as it ought to be."""

    smplan: Annotated[Literal[1], Field(description="Version of the format.")]
    name: Annotated[
        str, Field(pattern=r"^[a-z0-9-]{1,40}$", description="Name of the state: a-z, 0-9 and -, at most 40.")
    ]
    aws: Annotated[AwsForm | None, Field(description="Region and account.")] = None
    stream_manager: Annotated[StreamManagerForm | None, Field(description="How the Stream Manager is reached.")] = None
    state: Annotated[
        dict[str, Any] | None,
        Field(description="Where the state is kept; a folder of this machine unless said otherwise."),
    ] = None
    variables: Annotated[dict[str, Any], Field(description="Values that may differ from run to run.")] = {}
    lookups: Annotated[dict[str, Any], Field(description="What exists already and is only read.")] = {}
    resources: Annotated[dict[str, Any], Field(description="What smplan makes and keeps right.")]
    outputs: Annotated[dict[str, Any], Field(description="Values to show and to keep after applying.")] = {}
