"""Viewers of a fleet: sessions through its front door to a Stream Manager, each cut of one counted with its reason.

Sessions are modeled, not sockets: what happens to them is exact in virtual time. A viewer whose session is cut connects
again at once, by the name, and as often as it takes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from smplan.sandbox.aws import moto_state
from smplan.sandbox.aws.elbv2.load_balancers import DEFAULTS, dns_name
from smplan.sandbox.aws.elbv2.targets import is_active, target_states
from smplan.sandbox.aws.moto_state import MotoListener, MotoLoadBalancer
from smplan.sandbox.aws.route53 import normalized
from smplan.sandbox.aws.state.account import Account
from smplan.sandbox.aws.state.ec2 import booted_at
from smplan.sandbox.network import front_door, security_groups
from smplan.sandbox.network.front_door import Resolver, Sight, Silence, Timeline
from smplan.sandbox.network.parties import at, inside, viewer_of

IDLE = "idle_timeout.timeout_seconds"


@dataclass(frozen=True, slots=True)
class Session:
    """An open session: its way in, and the target that it ends at."""

    balancer_arn: str
    zone: str
    """That of the load balancer's address."""
    listener_arn: str
    port: int
    group_arn: str
    instance_id: str
    target_port: int
    tracked: tuple[bool, bool]
    """Whether the flow to the load balancer, and the one to the target, outlive the removal of their rule."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The end of a session that the viewer did not want."""

    at: float
    viewer: int
    instance_id: str
    reason: str


@dataclass(slots=True)
class Viewer:
    """One viewer, with a session or without."""

    resolver: Resolver
    session: Session | None = None


@dataclass(frozen=True, slots=True)
class _Way:
    """A target that new connections may be sent to."""

    balancer: MotoLoadBalancer
    listener: MotoListener
    group_arn: str
    instance: moto_state.MotoInstance
    port: int


class Viewers:
    """All viewers of one name. Use it with the sandbox's lock held; ``cuts`` is what they lost."""

    def __init__(
        self, account: Account, name: str, port: int, protocol: str, number: int, silent_seconds: float
    ) -> None:
        """``silent_seconds``: the longest that a session has no traffic."""
        self._account = account
        self._door = (port, protocol)
        self._silent_seconds = silent_seconds
        self._name = normalized(name)
        self._turn = count()
        self._timeline = Timeline()
        self.cuts: list[Cut] = []
        self._inside = True
        sight = self._sight()
        known = front_door.resolvers(self._name, sight.at, sight.names)
        inner = {_name(each) for each in moto_state.balancers(account.id) if each.internal}
        self._inside = known[0].answer in inner  # those of an internal load balancer are in its network, all others not
        self.viewers = [
            Viewer(Resolver(each.name, each.answer, each.expires))
            for each in (known[each % len(known)] for each in range(number))
        ]
        self.look()

    @property
    def connected(self) -> int:
        """The viewers that have a session now."""
        return sum(each.session is not None for each in self.viewers)

    @property
    def affected(self) -> int:
        """The viewers that lost a session at least once."""
        return len({each.viewer for each in self.cuts})

    def reasons(self) -> Counter[str]:
        """The number of cuts by reason."""
        return Counter(each.reason for each in self.cuts)

    def silence(self) -> Silence:
        """How long the name did not answer, from the start until now."""
        return front_door.silence(self._timeline.sights, self._account.now(), self._name, *self._door)

    def look(self) -> None:
        """See what has changed: sessions are cut, and viewers without one connect."""
        sight = self._sight()
        self._timeline.note(sight)
        ways: dict[str, list[_Way]] = {}
        reasons = {each: self._cut(each) for each in {viewer.session for viewer in self.viewers} if each is not None}
        for number, viewer in enumerate(self.viewers):
            if viewer.session is not None and (reason := reasons[viewer.session]):
                self.cuts.append(Cut(sight.at, number, viewer.session.instance_id, reason))
                viewer.session = None
            if viewer.session is None:
                host = viewer.resolver.resolve(sight.at, sight.names)
                if host not in ways:
                    ways[host] = list(self._ways(host))
                viewer.session = self._connected(ways[host])

    def _sight(self) -> Sight:
        names = {
            normalized(name): (normalized(target).removeprefix("dualstack."), ttl)
            for name, target, ttl in moto_state.aliases(self._account.id)
        }
        doors = {
            (_name(balancer), listener.port, listener.protocol)
            for balancer in moto_state.balancers(self._account.id)
            for listener in balancer.listeners
            if (listener.port, listener.protocol) == self._door and self._answers(balancer, listener)
        }
        return Sight(self._account.now(), names, frozenset(doors))

    def _answers(self, balancer: MotoLoadBalancer, listener: MotoListener) -> bool:
        """Whether every request is answered: each target that is healthy in the load balancer's eyes really is."""
        ways = list(self._targets(balancer, listener))
        return bool(ways) and self._admits(balancer, listener.port) and all(map(self._responds, ways))

    def _responds(self, way: _Way) -> bool:
        account = self._account
        running = way.instance.state == "running" and account.now() >= booted_at(account.ec2, way.instance.id)
        return running and security_groups.admits(account.id, inside(way.balancer), at(way.instance), way.port)

    def _admits(self, balancer: MotoLoadBalancer, port: int) -> bool:
        active = is_active(self._account, balancer.arn) and (self._inside or not balancer.internal)
        return active and security_groups.admits(self._account.id, viewer_of(balancer), inside(balancer), port)

    def _targets(self, balancer: MotoLoadBalancer, listener: MotoListener) -> Iterator[_Way]:
        """The targets that are healthy."""
        account = self._account
        for arn in listener.serving_group_arns:
            states = target_states(account, arn)
            for target in account.elbv2.targets_of(arn).values():
                instance = moto_state.instance(account.id, target.instance_id)
                if instance is not None and states.get(target.instance_id) == "healthy":
                    yield _Way(balancer, listener, arn, instance, target.port)

    def _ways(self, host: str) -> Iterator[_Way]:
        for balancer in moto_state.balancers(self._account.id):
            if _name(balancer) == host and self._admits(balancer, self._door[0]):
                for listener in balancer.listeners:
                    if (listener.port, listener.protocol) == self._door:
                        yield from filter(self._responds, self._targets(balancer, listener))

    def _connected(self, ways: list[_Way]) -> Session | None:
        """A session with the target, and through the zone, whose turn it is; None without any."""
        if not ways:
            return None
        turn, account = next(self._turn), self._account
        way = ways[turn % len(ways)]
        inner = inside(way.balancer)
        return Session(
            balancer_arn=way.balancer.arn,
            zone=way.balancer.zones[turn // len(ways) % len(way.balancer.zones)],
            listener_arn=way.listener.arn,
            port=way.listener.port,
            group_arn=way.group_arn,
            instance_id=way.instance.id,
            target_port=way.port,
            tracked=(
                security_groups.is_tracked(account.id, viewer_of(way.balancer), inner, way.listener.port),
                security_groups.is_tracked(account.id, inner, at(way.instance), way.port),
            ),
        )

    def _cut(self, session: Session) -> str:
        """Why a session ends now; "" if it does not."""
        account = self._account
        balancer = next((each for each in moto_state.balancers(account.id) if each.arn == session.balancer_arn), None)
        if balancer is None:
            return "load balancer deleted"
        if session.zone not in balancer.zones:
            return "load balancer left the zone"
        if session.listener_arn not in {each.arn for each in balancer.listeners}:
            return "listener deleted"
        if self._silent_seconds > float(account.elbv2.attributes.get(balancer.arn, {}).get(IDLE, DEFAULTS[IDLE])):
            return "idle timeout"
        return self._cut_behind(session, balancer)

    def _cut_behind(self, session: Session, balancer: MotoLoadBalancer) -> str:
        account = self._account
        if moto_state.target_group(account.id, session.group_arn) is None:
            return "target group deleted"
        if (session.instance_id, session.target_port) not in account.elbv2.targets_of(session.group_arn):
            return "deregistration delay over"
        instance = moto_state.instance(account.id, session.instance_id)
        if instance is None or instance.state != "running" or account.now() < booted_at(account.ec2, instance.id):
            return "instance terminated" if instance is None or instance.state != "running" else "instance rebooted"
        inner, (to_balancer, to_target) = inside(balancer), session.tracked
        open = (
            to_balancer or security_groups.admits(account.id, viewer_of(balancer), inner, session.port),
            to_target or security_groups.admits(account.id, inner, at(instance), session.target_port),
        )
        return "" if all(open) else "security group closed"


def _name(balancer: MotoLoadBalancer) -> str:
    return normalized(dns_name(balancer.arn, "internal" if balancer.internal else "internet-facing"))
