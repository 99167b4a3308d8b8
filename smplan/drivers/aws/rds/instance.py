"""``aws.rds.instance``: a lookup of the Stream Managers' database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from smplan.core.resource_type import IamActions, Output
from smplan.core.values import Json
from smplan.drivers import references
from smplan.drivers.aws import _filters
from smplan.drivers.base import Lookup
from smplan.errors import Invalid, NotFound

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef


class RdsInstance(Lookup):
    """An existing database instance."""

    kind = "aws.rds.instance"
    summary = "The MySQL database of the Stream Managers, and its security groups."
    keys: ClassVar = {"identifier": "The database's identifier, as the RDS console shows it."}
    outputs: ClassVar = {
        "id": Output("The database's identifier."),
        "arn": Output("Its ARN."),
        "endpoint": Output("The host name to connect to; empty while it is being created."),
        "port": Output("The port to connect to; null while it is being created.", type="integer"),
        "engine": Output("The engine, such as mysql."),
        "status": Output("Its status at the lookup."),
        "security_group_ids": Output("Its security groups.", type="list", reference=references.SECURITY_GROUP),
        "vpc_id": Output("The VPC it is in.", reference=references.VPC),
    }
    iam_actions = IamActions(read=("rds:DescribeDBInstances",))

    def read(self, where: Mapping[str, Json]) -> dict[str, Json]:
        """The database of that identifier."""
        if set(where) != {"identifier"}:
            raise Invalid("a database is looked up by its identifier", hint="write `where: {identifier: …}`")
        try:
            found = self._described(DBInstanceIdentifier=str(where["identifier"]))
        except NotFound:
            found = []
        if not found:
            existing = [each["DBInstanceIdentifier"] for each in self._described()]
            raise _filters.missing("database", where, existing)
        return _outputs(found[0])

    def _described(self, **criteria: Any) -> list[DBInstanceTypeDef]:
        pages: Iterable[Any] = self.context.aws.read.rds.get_paginator("describe_db_instances").paginate(**criteria)
        return [database for page in pages for database in page["DBInstances"]]


def _outputs(database: DBInstanceTypeDef) -> dict[str, Json]:
    endpoint = database.get("Endpoint", {})
    return {
        "id": database["DBInstanceIdentifier"],
        "arn": database["DBInstanceArn"],
        "endpoint": endpoint.get("Address", ""),
        "port": endpoint.get("Port"),
        "engine": database["Engine"],
        "status": database["DBInstanceStatus"],
        "security_group_ids": sorted(group["VpcSecurityGroupId"] for group in database.get("VpcSecurityGroups", [])),
        "vpc_id": database.get("DBSubnetGroup", {}).get("VpcId", ""),
    }
