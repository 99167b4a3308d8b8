"""Every rule of the guide with a blueprint that breaks it, and the same one without that edit, which keeps it.

    python -m tests.guide.guards

The blueprints are the project's own, so that they break none is part of the table.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from smplan.blueprint.load import load
from smplan.drivers.registry import catalogue
from smplan.errors import BlueprintInvalid, Diagnostic
from smplan.guide.rules import RULES, Rule

BLUEPRINTS = Path(__file__).parents[2] / "blueprints"
TEMPLATE, CONFIGURATION = "stream-manager.yaml", "stream-manager-launch-configuration.yaml"
_GROUP_SUBNETS = 'subnet_ids: "${subnets.ids}"'
_BALANCER_SUBNETS = '      subnets: "${subnets.ids}"\n'
_SCHEDULE = """resources:
  night:
    kind: aws.autoscaling.schedule
    spec: {auto_scaling_group_name: "${fleet.name}", name: night, recurrence: "0 22 * * *", max_size: 1}
"""
_TRACKING = """resources:
  tracking:
    kind: aws.autoscaling.scaling_policy
    spec:
      auto_scaling_group_name: "${fleet.name}"
      name: cpu
      policy_type: TargetTrackingScaling
      target_tracking: {predefined_metric_type: ASGAverageCPUUtilization, target_value: 50}
"""
_SECOND_TEMPLATE = """resources:
  other:
    kind: aws.ec2.launch_template
    spec:
      name: other
      user_data: |
        #!/bin/sh
        echo instancecontroller.instanceNamePrefix=nodedev >> red5-web.properties
"""


@dataclass(frozen=True)
class Guard:
    """The edits of a blueprint that make ``on`` break a rule."""

    rule: str
    on: str
    edits: tuple[tuple[str, str], ...]
    blueprint: str = TEMPLATE

    def broken(self) -> str:
        """The text of the blueprint that breaks the rule."""
        return edited((BLUEPRINTS / self.blueprint).read_text(encoding="utf-8"), self.edits)

    def allowed(self) -> str:
        """The same, with the rule allowed where it is broken."""
        before, head, rest = self.broken().partition(f"\n  {self.on}:\n")
        meta, spec, rest = rest.partition("    spec:")
        if "lifecycle: {" not in meta:
            meta += "    lifecycle: {}\n"
        meta = meta.replace("lifecycle: {", f"lifecycle: {{allow: [{self.rule}], ", 1)
        return "".join((before, head, meta, spec, rest))


def edited(text: str, edits: tuple[tuple[str, str], ...]) -> str:
    """``text`` with each edit made, exactly once."""
    for before, after in edits:
        assert text.count(before) == 1, f"{before!r} occurs {text.count(before)} times"
        text = text.replace(before, after)
    return text


def diagnostics(text: str) -> list[Diagnostic]:
    """The errors and warnings of a blueprint."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fleet.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            return [*load(path, environ={}, catalogue=catalogue()).warnings]
        except BlueprintInvalid as error:
            return list(error.diagnostics)


def is_of(rule: Rule, found: Diagnostic) -> bool:
    """Whether a diagnostic is of ``rule``: its hint ends with the source."""
    return found.hint.endswith(f"({rule.source})")


GUARDS = (
    Guard(
        "same-subnets",
        "fleet",
        (
            (_GROUP_SUBNETS, "subnet_ids: [subnet-0123456789abcdef0, subnet-0123456789abcdef1]"),
            (_BALANCER_SUBNETS, "      subnets: [subnet-0123456789abcdef0, subnet-0123456789abcdef2]\n"),
        ),
    ),
    Guard(
        "same-subnets",
        "fleet",
        (
            (_GROUP_SUBNETS, 'subnet_ids: ["${subnets.ids[0]}"]'),
            (_BALANCER_SUBNETS, '      subnets: ["${subnets.ids[0]}", "${subnets.ids[1]}"]\n'),
        ),
    ),
    Guard("webrtc-protection", "fleet", (('scale_in: "${var.webrtc}"', "scale_in: false"),)),
    Guard(
        "webrtc-no-scale-in",
        "scale_in",
        (
            ("scale_in: false ", "scale_in: true "),
            ("roll_out: {instance_warmup: 180}", "roll_out: {scale_in_protected_instances: Refresh}"),
        ),
        CONFIGURATION,
    ),
    Guard("webrtc-no-scale-in", "night", (("resources:\n", _SCHEDULE),)),
    Guard("webrtc-no-scale-in", "tracking", (("resources:\n", _TRACKING),)),
    Guard("scale-out-wait", "scale_out", (("cooldown: 300 ", "cooldown: 179 "),)),
    Guard(
        "scale-out-wait",
        "scale_out",
        (
            ("      cooldown: 300         # never below 180\n", ""),
            ("      min_size: 1\n", "      min_size: 1\n      default_cooldown: 60\n"),
        ),
    ),
    Guard("scale-in-wait", "scale_in", (("cooldown: 180\n", "cooldown: 301\n"),), CONFIGURATION),
    Guard("grace-period", "fleet", (("grace_period: 300", "grace_period: 120"),)),
    Guard("volume-size", "template", (("volume_size: 16 ", "volume_size: 15 "),)),
    Guard("unique-address", "template", (("s/\\(streammanager\\.ip=\\).*\\$/\\1$${smhost}/", "s/a/b/"),)),
    Guard("unique-address", "launch_configuration", (("\\1$${smhost}/", "\\1sm.example.com/"),), CONFIGURATION),
    Guard("address-restart", "template", (("        systemctl --no-block restart red5pro\n", ""),)),
    Guard("restart-no-block", "template", (("systemctl --no-block restart", "systemctl restart"),)),
    Guard(
        "default-passwords",
        "template",
        (
            (
                "        systemctl",
                "        sed -i s/^cluster.password=.*/cluster.password=changeme/ x\n        systemctl",
            ),
        ),
    ),
    Guard("default-passwords", "launch_config", (("metadata: {", "metadata: {a: 'rest.administratorToken=xyz123', "),)),
    Guard(
        "node-prefix",
        "template",
        (
            ("resources:\n", _SECOND_TEMPLATE),
            ("        systemctl", "        echo instancecontroller.instanceNamePrefix=node >> x\n        systemctl"),
        ),
    ),
    Guard("policy-roles", "node_group", (("{role: edge, min_limit", "{role: relay, min_limit"),)),
    Guard(
        "policy-roles",
        "node_group",
        (("{role: edge, min_limit: 1, max_limit: 4}", "{role: edge, region: eu-west-1, min_limit: 1, max_limit: 4}"),),
    ),
    Guard("node-regions", "node_group", (('regions: ["${var.region}"]', "regions: [eu-west-1]"),)),
    Guard("record-in-zone", "record", (('name: "${var.host}.${var.domain}"', "name: sm.example.org"),)),
    Guard("record-in-zone", "record", (('name: "${var.host}.${var.domain}"', 'name: "${var.domain}"'),)),
)


def main() -> int:
    """Print every rule, what breaks it, and what is said; the number of surprises."""
    wrong = 0
    for rule in RULES.values():
        print(f"{rule.id}  ({'warning' if rule.advice else 'error'}) {rule.text}\n    source   {rule.source}")
        for guard in (each for each in GUARDS if each.rule == rule.id):
            found = [each for each in diagnostics(guard.broken()) if is_of(rule, each)]
            wrong += not found
            print("    breaks   " + " · ".join(f"{b.strip()} → {a.strip() or 'nothing'}" for b, a in guard.edits))
            for each in found or [Diagnostic("NOTHING IS REPORTED")]:
                print(f"    reported {each.severity}, line {each.line}: {each.message}")
            kept = diagnostics((BLUEPRINTS / guard.blueprint).read_text(encoding="utf-8"))
            wrong += bool(kept)
            print(f"    keeps    {guard.blueprint}: {'; '.join(each.message for each in kept) or 'nothing reported'}")
        if rule.asks_aws:
            print("    asks AWS: plan and doctor check it, see tests/drivers/aws/test_checks.py")
    print(f"{len(RULES)} rules, {len(GUARDS)} blueprints that break one, {wrong} surprises")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
