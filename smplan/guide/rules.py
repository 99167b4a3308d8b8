"""The rules of the guide: id, text and source of each, and whether it is a demand or advice."""

from __future__ import annotations

from dataclasses import dataclass

WARM_UP_SECONDS = 180
"""Guide, Tips: “the approximate warmup time with safe buffer can be about 180 seconds”."""
MIN_VOLUME_GIB = 16


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    ``advice``: breaking it is a warning, not an error. ``asks_aws``: ``validate`` cannot check it.
    ``refused``: AWS refuses what breaks it, so that to allow it is of no use.
    """

    id: str
    text: str
    source: str
    advice: bool = False
    asks_aws: bool = False
    refused: bool = False


SAME_SUBNETS = Rule(
    "same-subnets",
    "A scaling group has the subnets of the load balancer in front of it.",
    "guide, Tips: “subnets should match the load balancer targeted subnets”",
)
TWO_ZONES = Rule(
    "two-zones",
    "A load balancer is in two zones or more, with one subnet in each.",
    "guide, 3: “select all of the availability [zones]”; Elastic Load Balancing, subnets: two zones, one subnet each",
    asks_aws=True,
    refused=True,
)
NO_FIXED_TARGETS = Rule(
    "no-fixed-targets",
    "Only the scaling group registers targets in its target group.",
    "guide, Tips: “The AWS Load balancer setup should not register any targets initially”",
    asks_aws=True,
)
OPEN_PORTS = Rule(
    "open-ports",
    "The load balancer's security groups admit its viewers to each listener, and the instances' admit the load "
    "balancer to the port of the target group.",
    "guide, 3: listeners on 5080 and 443, every traffic routed to port 5080 of the instances",
    asks_aws=True,
)
DATABASE_ACCESS = Rule(
    "database-access",
    "A security group in the VPC admits the Stream Managers to the database's port 3306.",
    "guide, DB ACCESS: “give the stream manager security group access to the database inbound … port (3306)”",
    asks_aws=True,
)
WEBRTC_PROTECTION = Rule(
    "webrtc-protection",
    "With WebRTC (variable `webrtc`), new instances are protected from scale-in.",
    "guide, Tips: “If you plan to use WebRTC …, ensure that Instance Protection option is set”",
)
WEBRTC_NO_SCALE_IN = Rule(
    "webrtc-no-scale-in",
    "With WebRTC (variable `webrtc`, or a group that protects its instances), no policy or schedule removes instances.",
    "guide: “Enable scale-in only when you are not going to use WebRTC”",
)
SCALE_OUT_WAIT = Rule(
    "scale-out-wait",
    "At least 180 seconds pass between two scale-outs.",
    "guide, increase group size: “should never be below 180 (seconds)”",
)
SCALE_IN_WAIT = Rule(
    "scale-in-wait",
    "A scale-in waits no longer than a scale-out of the same group.",
    "guide, Tips: “a scale-in action should be faster & more responsive than a scale-out action”",
    advice=True,
)
GRACE_PERIOD = Rule(
    "grace-period",
    "With health checks of the load balancer, the grace period is at least the warm-up of 180 seconds.",
    "guide, 4 and Tips: grace period 300, “approximate warmup time … about 180 seconds”",
)
VOLUME_SIZE = Rule(
    "volume-size", "The root volume of a Stream Manager has at least 16 GiB.", "guide, add storage: “at least 16 Gb”"
)
UNIQUE_ADDRESS = Rule(
    "unique-address",
    "Where a group may run several Stream Managers, their user data gives each its own `streammanager.ip`.",
    "guide, 2: “needs to be set to a unique identifier … when using multiple Stream Managers behind a load balancer”",
)
ADDRESS_RESTART = Rule(
    "address-restart",
    "User data that sets `streammanager.ip` restarts the service after it.",
    "Red5 Pro reads red5-web.properties once, when it starts; the guide's script may run after that",
)
RESTART_NO_BLOCK = Rule(
    "restart-no-block",
    "User data restarts the service with `--no-block`.",
    "cloud-init runs user data in cloud-final.service: systemctl waits forever for a unit that is ordered after it",
    advice=True,
)
DEFAULT_PASSWORDS = Rule(
    "default-passwords",
    "Passwords and tokens that a script sets are not those of the documentation.",
    "Red5 Pro, Stream Manager configuration: `cluster.password` is `changeme` until it is changed",
)
NODE_PREFIX = Rule(
    "node-prefix",
    "No prefix of node names begins with another one.",
    "Red5 Pro, instancecontroller.instanceNamePrefix: a Stream Manager terminates nodes it does not know by prefix",
)
POLICY_ROLES = Rule(
    "policy-roles",
    "Every role of a node group's scale policy is in its launch configuration, and every region in the group.",
    "Red5 Pro, Create Scale Policy and Create Launch Config: a role is launched as its target describes",
)
NODE_REGIONS = Rule(
    "node-regions",
    "The nodes of a group are also in the region of the Stream Managers: one variable says both.",
    "Red5 Pro, Create Group: `regions` are where nodes are launched, whatever the region of the Stream Manager",
    advice=True,
)
RECORD_IN_ZONE = Rule(
    "record-in-zone",
    "The name of a record is in its zone, and a CNAME is not at the zone's own name.",
    "Route 53 refuses names outside the zone, and a CNAME at its apex",
    refused=True,
)

RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in (
        SAME_SUBNETS,
        TWO_ZONES,
        NO_FIXED_TARGETS,
        OPEN_PORTS,
        DATABASE_ACCESS,
        WEBRTC_PROTECTION,
        WEBRTC_NO_SCALE_IN,
        SCALE_OUT_WAIT,
        SCALE_IN_WAIT,
        GRACE_PERIOD,
        VOLUME_SIZE,
        UNIQUE_ADDRESS,
        ADDRESS_RESTART,
        RESTART_NO_BLOCK,
        DEFAULT_PASSWORDS,
        NODE_PREFIX,
        POLICY_ROLES,
        NODE_REGIONS,
        RECORD_IN_ZONE,
    )
}
"""Every rule by its id."""


def how_to_allow(hint: str, rule: Rule) -> str:
    """A hint with the source of ``rule``, and what to write where it is broken on purpose."""
    allow = "" if rule.refused else f", or allow it with lifecycle: {{allow: [{rule.id}]}}"
    return f"{hint}{allow} ({rule.source})"
