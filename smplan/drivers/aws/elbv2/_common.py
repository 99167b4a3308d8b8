"""The base of load balancers and target groups, and tag functions of all load balancing kinds.

One deleted ARN fails a whole Describe call; then the existing ones are found in the list of all.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, ClassVar, Generic, TypeVar

from smplan.core.spec import Spec
from smplan.drivers.aws import tags
from smplan.drivers.aws.requests import batched
from smplan.drivers.base import Driver, Live, Owner
from smplan.drivers.context import AwsAccount
from smplan.errors import NotFound

BATCH = 20
"""Maximum number of ARNs in one DescribeLoadBalancers or DescribeTags (API reference of both)."""
PAGE = 400
"""The largest page of the Describe calls."""
NAME = r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$"
"""Names of load balancers and target groups: letters, digits and hyphens, no hyphen at either end (API reference)."""
NAME_LIMIT = 32


def all_tags(aws: AwsAccount, arns: Collection[str]) -> dict[str, dict[str, str]]:
    """The tags of each of ``arns``, ownership included; one that is gone is absent."""
    found: dict[str, dict[str, str]] = {}
    for batch in batched(arns, BATCH):
        try:
            found |= _tags(aws, batch)
        except NotFound:
            for arn in batch:
                with suppress(NotFound):
                    found |= _tags(aws, [arn])
    return found


def _tags(aws: AwsAccount, arns: list[str]) -> dict[str, dict[str, str]]:
    response = aws.read.elbv2.describe_tags(ResourceArns=arns)
    # one that AWS omits has no tags: only NotFound may mean that it is gone
    return {arn: {} for arn in arns} | {
        item["ResourceArn"]: tags.plain(item.get("Tags")) for item in response["TagDescriptions"]
    }


def retag(aws: AwsAccount, arn: str, *, live: Mapping[str, str] | None, wanted: Mapping[str, str] | None) -> None:
    """Make the user's tags on ``arn`` those of ``wanted``; None means that tags are not managed."""
    if wanted is None:
        return
    to_set, to_remove = tags.changed(live or {}, wanted)
    if to_set:
        aws.write.elbv2.add_tags(ResourceArns=[arn], Tags=tags.listed(to_set))
    if to_remove:
        aws.write.elbv2.remove_tags(ResourceArns=[arn], TagKeys=to_remove)


def own_tags(tagged: Mapping[str, str]) -> dict[str, str]:
    """The user's tags among ``tagged``."""
    return tags.own(tags.listed(tagged))


class NamedSpec(Spec):
    """A spec with a name, which is its natural key."""

    name: str


T = TypeVar("T", bound=Spec)
S = TypeVar("S", bound=NamedSpec)
D = TypeVar("D", bound=Mapping[str, Any])


class TaggedDriver(Driver[T]):
    """A kind whose id is an ARN that AddTags takes."""

    def set_owner(self, id: str, owner: Owner) -> None:
        """One call. Raises NotFound if it is gone."""
        self.context.aws.write.elbv2.add_tags(ResourceArns=[id], Tags=tags.listed(owner.tags))


class NamedDriver(TaggedDriver[S], Generic[S, D]):
    """A kind with a name, an ARN and attributes. ``D`` is a description as AWS gives it."""

    name_field = "name"
    name_limit = NAME_LIMIT

    arn_member: ClassVar[str]
    """The member of a description that holds its ARN."""

    @abstractmethod
    def _by_arn(self, arns: list[str]) -> list[D]:
        """The descriptions of at most ``BATCH`` ARNs. Raises NotFound if one of them is gone."""

    @abstractmethod
    def _by_name(self, name: str) -> list[D]:
        """The description of that name. Raises NotFound if there is none."""

    @abstractmethod
    def _all(self) -> Iterator[D]:
        """Every description in the region."""

    @abstractmethod
    def _attributes(self, arn: str) -> Iterable[Mapping[str, Any]]:
        """Its attributes, as AWS lists them."""

    @abstractmethod
    def _to_live(self, found: D, all_tags: Mapping[str, str], attributes: Mapping[str, str]) -> Live[S]:
        """The live resource of a description, its tags and its attributes."""

    def read_many(self, ids: Collection[str]) -> dict[str, Live[S]]:
        """One Describe if all exist and fit in a call, else the whole list; DescribeTags per 20; attributes each."""
        return self._all_to_live([found for found in self._described(set(ids)) if found[self.arn_member] in ids])

    def find(self, spec: S) -> Live[S] | None:
        """By name. Raises Conflict if another type of load balancer has the name."""
        try:
            found = self._by_name(spec.name)
        except NotFound:
            return None
        return next(iter(self._all_to_live(found).values()), None)

    def _described(self, arns: set[str]) -> Iterable[D]:
        if not arns:
            return []  # an empty list of ARNs would mean "all"
        if len(arns) <= BATCH:
            with suppress(NotFound):
                return self._by_arn(sorted(arns))
        return self._all()

    def _all_to_live(self, found: Iterable[D]) -> dict[str, Live[S]]:
        by_arn = {str(each[self.arn_member]): each for each in found}
        tagged = all_tags(self.context.aws, by_arn)
        live = {}
        for arn in sorted(tagged):
            with suppress(NotFound):
                attributes = {str(each["Key"]): str(each["Value"]) for each in self._attributes(arn)}
                live[arn] = self._to_live(by_arn[arn], tagged[arn], attributes)
        return live
