"""The emulated AWS as the gateway and the Stream Manager simulator see it: the ``World`` of ``view``."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator, Sequence

from smplan.sandbox.aws import moto_state
from smplan.sandbox.aws.ec2.instances import launch
from smplan.sandbox.aws.elbv2.load_balancers import dns_name
from smplan.sandbox.aws.elbv2.targets import is_active, target_states
from smplan.sandbox.aws.errors import (
    AwsError,
    Fields,
)
from smplan.sandbox.aws.moto_state import MotoListener, MotoLoadBalancer
from smplan.sandbox.aws.route53 import normalized
from smplan.sandbox.aws.state.account import Account
from smplan.sandbox.aws.state.ec2 import booted_at
from smplan.sandbox.ids import Prerequisites
from smplan.sandbox.interface import InstanceView, NodeRefused, Route, Target
from smplan.sandbox.network import security_groups
from smplan.sandbox.network.parties import at, inside, viewer_of
from smplan.sandbox.network.security_groups import Party

MYSQL = 3306
LONGEST_CHAIN = 8
"""CNAMEs followed, at most."""


class MotoAwsView:
    """Answers queries from the present state, each under the sandbox's lock."""

    def __init__(self, account: Account, facts: Prerequisites, lock: threading.RLock) -> None:
        self._account = account
        self._facts = facts
        self._lock = lock

    def instances(self) -> Sequence[InstanceView]:
        """Instances that are pending or running."""
        with self._lock:
            found = moto_state.instances(self._account.id)
            return [self._seen(each) for each in found if each.state in {"pending", "running"}]

    def _seen(self, each: moto_state.MotoInstance) -> InstanceView:
        return InstanceView(
            id=each.id,
            state=each.state,
            private_ip=each.private_ip,
            zone=each.zone,
            subnet_id=each.subnet_id,
            security_group_ids=each.group_ids,
            user_data=each.user_data,
            launched_at=self._account.ec2.launched.get(each.id, 0.0),
            booted_at=booted_at(self._account.ec2, each.id),
            image_id=each.image_id,
            instance_type=each.instance_type,
            tags=each.tags,
            files=dict(self._account.ec2.files.get(each.id, {})),
        )

    def has_booted(self, instance_id: str) -> bool:
        """Whether an instance runs and has had time to boot: what a health check finds without a gateway."""
        with self._lock:
            running = instance_id in moto_state.running(self._account.id)
            return running and self._account.now() >= booted_at(self._account.ec2, instance_id)

    def may_reach_database(self, security_group_ids: Sequence[str]) -> bool:
        """Whether a rule of the database's group admits TCP 3306 from one of these groups, or from the whole VPC."""
        with self._lock:
            vpc = (moto_state.vpc_cidr(self._account.id, self._facts.vpc_id),)
            database = Party(vpc, (self._facts.database_security_group_id,))
            return security_groups.admits(self._account.id, Party(vpc, tuple(security_group_ids)), database, MYSQL)

    def may_reach_target(self, load_balancer_arn: str, instance_id: str, port: int) -> bool:
        """Whether security groups admit a connection of the load balancer to a port of the instance."""
        with self._lock:
            instance = moto_state.instance(self._account.id, instance_id)
            balancer = next(
                (each for each in moto_state.balancers(self._account.id) if each.arn == load_balancer_arn), None
            )
            if instance is None or balancer is None:
                return False
            return security_groups.admits(self._account.id, inside(balancer), at(instance), port)

    def load_balancer_for(self, host: str, port: int) -> Route | None:
        """The way of a request to ``host`` (an ALB's DNS name, or a CNAME or alias of it); None if no ALB has it."""
        with self._lock:
            balancer = self._balancer(normalized(host))
            return None if balancer is None else self._route(balancer, port)

    def _balancer(self, name: str) -> MotoLoadBalancer | None:
        by_name = {normalized(dns_name(each.arn)): each for each in moto_state.balancers(self._account.id)}
        records: dict[str, str] | None = None
        for _ in range(LONGEST_CHAIN):
            found = by_name.get(name) or by_name.get(name.removeprefix("internal-"))
            if found is not None:
                return found
            records = dict(self._aliases()) if records is None else records
            if name not in records:
                wildcard = normalized("*." + name.partition(".")[2])
                if wildcard not in records:
                    return None
                name = wildcard
            name = records[name]
        return None

    def _aliases(self) -> Iterator[tuple[str, str]]:
        """Each name of a CNAME or an alias, and its target."""
        for name, target, _ in moto_state.aliases(self._account.id):
            yield normalized(name), normalized(target).removeprefix("dualstack.")

    def _route(self, balancer: MotoLoadBalancer, port: int) -> Route:
        listener = next((each for each in balancer.listeners if each.port == port), None)
        healthy, unhealthy = self._targets(listener)
        return Route(
            load_balancer_arn=balancer.arn,
            dns_name=dns_name(balancer.arn),
            problem=self._problem(balancer, port, listener, healthy),
            listener_protocol=listener.protocol if listener else "",
            certificate_domains=self._domains(listener),
            healthy=healthy,
            unhealthy=unhealthy,
        )

    def _problem(
        self, balancer: MotoLoadBalancer, port: int, listener: MotoListener | None, healthy: tuple[Target, ...]
    ) -> str:
        if not is_active(self._account, balancer.arn):
            return "not active"
        if not security_groups.admits(self._account.id, viewer_of(balancer), inside(balancer), port):
            return "not admitted"
        if listener is None:
            return "no listener"
        if not listener.serving_group_arns:
            return "no target group"
        return "" if healthy else "no healthy target"

    def _targets(self, listener: MotoListener | None) -> tuple[tuple[Target, ...], tuple[Target, ...]]:
        healthy: list[Target] = []
        others: list[Target] = []
        for arn in listener.serving_group_arns if listener else ():
            states = target_states(self._account, arn)
            for each in self._account.elbv2.targets_of(arn).values():
                target = Target(instance_id=each.instance_id, port=each.port)
                (healthy if states.get(each.instance_id) == "healthy" else others).append(target)
        return tuple(healthy), tuple(others)

    def _domains(self, listener: MotoListener | None) -> tuple[str, ...]:
        names: dict[str, None] = {}
        for arn in listener.certificate_arns if listener and listener.protocol == "HTTPS" else ():
            names |= dict.fromkeys(moto_state.certificate_names(self._account.id, arn))
        return tuple(names)

    def launch_node(self, *, name: str, image_name: str, instance_type: str, user_data: str = "") -> str:
        """Run one EC2 instance for a node, tagged ``Name=name``; its id. Raises NodeRefused with AWS's reason."""
        with self._lock:
            try:
                return self._launched(name, image_name, instance_type, user_data)
            except AwsError as error:
                raise NodeRefused(str(error)) from error

    def _launched(self, name: str, image_name: str, instance_type: str, user_data: str) -> str:
        images = self._account.moto.call("ec2", "DescribeImages", {"Owners": ["self"]})["Images"]
        image = next((each for each in images if image_name in {each.get("Name"), each["ImageId"]}), None)
        if image is None:
            raise AwsError("InvalidAMIID.NotFound", f"there is no image named {image_name}")
        request: Fields = {
            "ImageId": image["ImageId"],
            "InstanceType": instance_type,
            "SubnetId": self._facts.subnet_ids[0],
            "SecurityGroupIds": [self._facts.node_security_group_id],
            "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}],
        }
        if user_data:
            request["UserData"] = base64.b64encode(user_data.encode()).decode()
        return str(launch(self._account, request)["InstanceId"])

    def terminate_node(self, instance_id: str) -> None:
        """Terminate a node's instance; does nothing if it was terminated."""
        with self._lock:
            if moto_state.state_of(self._account.id, instance_id) not in {"", "terminated"}:
                self._account.moto.call("ec2", "TerminateInstances", {"InstanceIds": [instance_id]})
