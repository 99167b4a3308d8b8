"""What a seed stands for: the fleet, how it is rolled out, and what goes wrong on the way."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

ILLS = ("", "", "", "broken", "launches refused for a while", "launches refused")
FLAPPING = ("flapping for a while", "flapping")
SHORT_GRACE, LONG_WARMUP = 180, 400
"""AWS ends an instance that the load balancer finds unhealthy only after the grace period (User Guide, "health check
grace period"). So its own refresh notices one that flaps, and that for good, only where the warm-up is longer: with the
guide's 300 s of grace and 180 s of warm-up it is over before."""
FATAL = frozenset({"broken", "flapping", "launches refused"})
"""With these a roll-out cannot succeed."""


@dataclass(frozen=True)
class Situation:
    """One seed."""

    seed: int
    template: bool
    size: int
    minimum: int
    maximum: int
    webrtc: bool
    """Whether the group protects its instances."""
    drain: bool
    ill: str
    """What the new instances suffer from."""
    kills: tuple[tuple[str, int], ...]
    """For each run, ("before" or "after", number of the write); no kill in later runs."""
    lost: frozenset[int]
    alarms: float
    """The chance at each look that a scaling policy acts."""

    @classmethod
    def of(cls, seed: int) -> Situation:
        """The situation of a seed."""
        random = Random(seed)
        size = random.choice([1, 1, 2, 2, 3, 4])
        template, webrtc = random.random() < 0.4, random.random() < 0.5
        kills = [
            (random.choice(["before", "after"]), random.randint(1, 12)) for _ in range(random.choice([0, 1, 2, 3, 4]))
        ]
        drain = random.random() < 0.35
        return cls(
            seed,
            template,
            size,
            random.randint(1, size),
            size + random.choice([0, 1, 2]),
            webrtc,
            drain=drain,
            ill=random.choice(ILLS + (FLAPPING[1:] if template and not drain else FLAPPING)),
            kills=tuple(kills),
            lost=frozenset(random.sample(range(1, 16), random.choice([0, 0, 1, 2]))),
            alarms=random.choice([0.0, 0.0, 0.01]),
        )

    @property
    def own(self) -> bool:
        """Whether smplan replaces the instances itself."""
        return self.drain or not self.template

    @property
    def way(self) -> str:
        """How the instances are replaced."""
        source = "template" if self.template else "configuration"
        return f"{source}{', drained' if self.drain else ''}{', WebRTC' if self.webrtc else ''}"

    def is_well(self, age: float) -> bool:
        """Whether a new instance of that age in seconds passes its health check."""
        if self.ill == "broken":
            return False
        if self.ill == "flapping" or (self.ill == "flapping for a while" and age < self._ends()):
            return age % 240 < 140
        return True

    def _ends(self) -> float:
        return 120.0 + self.seed % 400

    def refused_launches(self) -> int:
        """How many launches AWS refuses."""
        if self.ill == "launches refused":
            return 1_000_000
        return 1 + self.seed % 2 if self.ill == "launches refused for a while" else 0

    def alarm(self, random: Random, group: Any) -> None:
        """Perhaps a policy scales out or in, within the group's bounds. It scales in only where that must not count."""
        if random.random() >= self.alarms:
            return
        low, high, by = int(group.fields["MinSize"]), int(group.fields["MaxSize"]), random.choice([1, -1])
        if by < 0 and "smplan:roll-out" not in group.tags:
            return
        group.fields["DesiredCapacity"] = min(max(group.desired + by, low), high)

    def blueprint(self, image: int) -> str:
        """The blueprint with that image, 1 or 2."""
        protected = str(self.webrtc).lower()
        choice = "scale_in_protected_instances: Refresh" if self.webrtc else ""
        drain = "drain: {timeout: 600}" if self.drain else ""
        noticed = self.ill == "flapping" and not self.own
        warmup = f"instance_warmup: {LONG_WARMUP}" if noticed else ""
        roll_out = ", ".join(filter(None, (choice, drain, warmup)))
        source = _TEMPLATE if self.template else _CONFIGURATION
        return _BLUEPRINT.format(
            image=image,
            source=source,
            use='launch_template: {id: "${source.id}", version: "${source.version}"}'
            if self.template
            else 'launch_configuration: "${source.name}"',
            roll_out="{" + roll_out + "}",
            minimum=self.minimum,
            maximum=self.maximum,
            size=self.size,
            protected=protected,
            grace=SHORT_GRACE if noticed else 300,
        )


_TEMPLATE = """\
    kind: aws.ec2.launch_template
    lifecycle: {allow: [unique-address]}
    spec:
      name: rolls-template
      image_id: "${image.id}"
      instance_type: c5.large
      security_group_ids: ["${stream_manager_group.id}"]"""
_CONFIGURATION = """\
    kind: aws.autoscaling.launch_configuration
    lifecycle: {allow: [unique-address]}
    spec:
      name: rolls-configuration
      image_id: "${image.id}"
      instance_type: c5.large
      security_groups: ["${stream_manager_group.id}"]"""
_BLUEPRINT = """\
smplan: 1
name: rolls
aws: {{region: us-east-1}}
lookups:
  vpc: {{kind: aws.ec2.vpc, where: {{"tag:Name": red5pro}}}}
  subnets: {{kind: aws.ec2.subnets, where: {{vpc_id: "${{vpc.id}}", one_per_zone: true}}}}
  stream_manager_group:
    kind: aws.ec2.security_group
    where: {{vpc_id: "${{vpc.id}}", name: red5pro-stream-manager}}
  configured_instance: {{kind: aws.ec2.instance, where: {{"tag:Name": red5pro-stream-manager}}}}
resources:
  image:
    kind: aws.ec2.image
    spec: {{name: rolls-ami-{image}, instance_id: "${{configured_instance.id}}", reboot: false}}
  source:
{source}
  target_group:
    kind: aws.elbv2.target_group
    spec: {{name: rolls-targets, protocol: HTTP, port: 5080, vpc_id: "${{vpc.id}}", health_check_path: /}}
  load_balancer:
    kind: aws.elbv2.load_balancer
    spec:
      name: rolls-alb
      scheme: internet-facing
      subnets: "${{subnets.ids}}"
      security_groups: ["${{stream_manager_group.id}}"]
  http:
    kind: aws.elbv2.listener
    spec:
      load_balancer_arn: "${{load_balancer.arn}}"
      protocol: HTTP
      port: 5080
      target_group_arn: "${{target_group.arn}}"
  fleet:
    kind: aws.autoscaling.group
    lifecycle: {{allow: [open-ports, database-access]}}
    spec:
      name: rolls-group
      {use}
      roll_out: {roll_out}
      min_size: {minimum}
      max_size: {maximum}
      desired_capacity: {size}
      subnet_ids: "${{subnets.ids}}"
      target_group_arns: ["${{target_group.arn}}"]
      health_check_grace_period: {grace}
      new_instances_protected_from_scale_in: {protected}
  healthy:
    kind: gate.targets_healthy
    spec: {{target_group_arn: "${{target_group.arn}}", auto_scaling_group_name: "${{fleet.name}}", minimum: {size}}}
"""
