"""What the EC2 kinds share: filters in place of id lists, tags changed in place, choosing the one looked for.

Ids go into filters because EC2 fails a whole call when one id of an id list is gone, and leaves such ids out silently
when they are in a filter.
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
"""How many values one EC2 filter takes."""

T = TypeVar("T")


def by(name: str, *values: str) -> list[FilterTypeDef]:
    """One filter, as a list that takes more."""
    return [{"Name": name, "Values": list(values)}]


def tagged(resource_types: Sequence[Any], all_tags: Mapping[str, str]) -> list[TagSpecificationTypeDef]:
    """The same tags for each resource type, in the form in which a create takes them."""
    return [{"ResourceType": each, "Tags": tags.listed(all_tags)} for each in resource_types]


def retag(aws: AwsAccount, id: str, live: Mapping[str, str] | None, wanted: Mapping[str, str] | None) -> None:
    """Make the person's tags on ``id`` those of ``wanted``; None means that tags are not managed."""
    if wanted is None:
        return
    to_set, to_remove = tags.changed(live or {}, wanted)
    if to_set:
        aws.write.ec2.create_tags(Resources=[id], Tags=tags.listed(to_set))
    if to_remove:
        aws.write.ec2.delete_tags(Resources=[id], Tags=[{"Key": key} for key in to_remove])


def filters(where: Mapping[str, Json], names: Mapping[str, str]) -> list[FilterTypeDef]:
    """``where`` as EC2 filters: ``names`` gives the filter for each key, and ``tag:…`` keys go as they are."""
    made: list[FilterTypeDef] = []
    for key, value in sorted(where.items()):
        if not key.startswith("tag:") and key not in names:
            known = ", ".join([*names, "tag:…"])
            raise Invalid(f"`{key}` is nothing to look for here", hint=f"use one of: {known}")
        made.append({"Name": names.get(key, key), "Values": texts(value)})
    return made


def texts(value: Json) -> list[str]:
    """A filter's values: every item of a list, or the one value; booleans as AWS writes them."""
    items = value if isinstance(value, list) else [value]
    return [str(item).lower() if isinstance(item, bool) else str(item) for item in items]


def only(what: str, where: Mapping[str, Json], found: Sequence[T], label: Callable[[T], str]) -> T | None:
    """The one thing found, or None. Raises Conflict, listing them, if there are several."""
    if len(found) > 1:
        listed = ", ".join(sorted(label(each) for each in found)[:10])
        raise Conflict(
            f"{len(found)} {what}s match {_said(where)}: {listed}", hint="say more in `where` until one is left"
        )
    return found[0] if found else None


def missing(what: str, where: Mapping[str, Json], there: Collection[str]) -> NotFound:
    """The error for a search without a match; names what there is, the nearest first."""
    wanted = [text for value in where.values() for text in texts(value)]
    near = [match for text in wanted for match in get_close_matches(text, sorted(there), n=3)]
    listed = ", ".join(dict.fromkeys([*near, *sorted(there)][:10]))
    hint = f"there is: {listed}" if listed else f"there is no {what} at all in this account and region"
    return NotFound(f"no {what} matches {_said(where)}", hint=hint)


def name_or(thing: Mapping[str, Any], id: str) -> str:
    """The Name tag of a thing EC2 described, or else its id."""
    return tags.plain(thing.get("Tags")).get("Name") or id


def _said(where: Mapping[str, Json]) -> str:
    return ", ".join(f"{key}={','.join(texts(value))}" for key, value in sorted(where.items())) or "an empty `where`"
