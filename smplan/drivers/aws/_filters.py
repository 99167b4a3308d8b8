"""Helpers for lookups and the EC2 kinds: filters instead of id lists, tag updates, selection of the one match.

A missing id in an id list fails a whole EC2 call; in a filter it is left out silently.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

from smplan.core.values import Json
from smplan.drivers.aws import tags
from smplan.drivers.context import AwsAccount
from smplan.errors import Conflict, Invalid, NotFound

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef, TagSpecificationTypeDef

FILTER_VALUES = 200
"""Maximum number of values in one EC2 filter."""

T = TypeVar("T")


def by(name: str, *values: str) -> list[FilterTypeDef]:
    """A list with one filter."""
    return [{"Name": name, "Values": list(values)}]


def tagged(resource_types: Sequence[Any], all_tags: Mapping[str, str]) -> list[TagSpecificationTypeDef]:
    """The same tags for each resource type, as a create takes them."""
    return [{"ResourceType": each, "Tags": tags.listed(all_tags)} for each in resource_types]


def retag(aws: AwsAccount, id: str, live: Mapping[str, str] | None, wanted: Mapping[str, str] | None) -> None:
    """Make the user's tags on ``id`` those of ``wanted``; None means that tags are not managed."""
    if wanted is None:
        return
    to_set, to_remove = tags.changed(live or {}, wanted)
    if to_set:
        aws.write.ec2.create_tags(Resources=[id], Tags=tags.listed(to_set))
    if to_remove:
        aws.write.ec2.delete_tags(Resources=[id], Tags=[{"Key": key} for key in to_remove])


def filters(where: Mapping[str, Json], names: Mapping[str, str]) -> list[FilterTypeDef]:
    """``where`` as EC2 filters: ``names`` gives the filter for each key, and ``tag:…`` keys are passed as they are."""
    made: list[FilterTypeDef] = []
    for key, value in sorted(where.items()):
        if not key.startswith("tag:") and key not in names:
            known = ", ".join([*names, "tag:…"])
            raise Invalid(f"`{key}` is not a filter of this lookup", hint=f"use one of: {known}")
        made.append({"Name": names.get(key, key), "Values": texts(value)})
    return made


def texts(value: Json) -> list[str]:
    """A filter's values: every item of a list, or the one value; booleans as AWS writes them."""
    items = value if isinstance(value, list) else [value]
    return [str(item).lower() if isinstance(item, bool) else str(item) for item in items]


def only(what: str, where: Mapping[str, Json], found: Sequence[T], label: Callable[[T], str]) -> T | None:
    """The only match, or None. Raises Conflict, listing them, if there are several."""
    if len(found) > 1:
        listed = ", ".join(sorted(label(each) for each in found)[:10])
        raise Conflict(
            f"{len(found)} {what}s match {_describe(where)}: {listed}",
            hint="add keys to `where` until only one matches",
        )
    return found[0] if found else None


def missing(what: str, where: Mapping[str, Json], existing: Collection[str]) -> NotFound:
    """The error for a lookup without a match; its hint lists what exists, similar names first."""
    wanted = [text for value in where.values() for text in texts(value)]
    near = [match for text in wanted for match in get_close_matches(text, sorted(existing), n=3)]
    listed = ", ".join(dict.fromkeys([*near, *sorted(existing)][:10]))
    hint = f"use one of: {listed}" if listed else f"create it first: there is no {what} in this account and region"
    return NotFound(f"no {what} matches {_describe(where)}", hint=hint)


def name_or(found: Mapping[str, Any], id: str) -> str:
    """The Name tag of an EC2 description, else ``id``."""
    return tags.plain(found.get("Tags")).get("Name") or id


def _describe(where: Mapping[str, Json]) -> str:
    return ", ".join(f"{key}={','.join(texts(value))}" for key, value in sorted(where.items())) or "an empty `where`"
