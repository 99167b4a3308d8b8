"""The base of the EC2 kinds, which are all tagged by id."""

from __future__ import annotations

from typing import TypeVar

from smplan.core.spec import Spec
from smplan.drivers.aws import tags
from smplan.drivers.base import Driver, Owner

S = TypeVar("S", bound=Spec)


class Ec2Driver(Driver[S]):
    """A kind whose id CreateTags takes."""

    def set_owner(self, id: str, owner: Owner) -> None:
        """One call. Raises NotFound if it is gone."""
        self.context.aws.write.ec2.create_tags(Resources=[id], Tags=tags.listed(owner.tags))
