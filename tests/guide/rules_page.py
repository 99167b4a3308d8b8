"""The page of the guide's rules, docs/rules.md, written from the rules.

python -m tests.guide.rules_page
"""

from __future__ import annotations

from pathlib import Path

from smplan.guide.rules import RULES, Rule

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"
_HEAD = """\
# The rules of the guide

`smplan validate` checks what a blueprint says against the rules of the guide "Autoscaling Stream Manager on AWS" and
of AWS. `smplan plan` checks also those that need an answer of AWS, and `smplan doctor BLUEPRINT` all of them on the
fleet as it is. `make guards` prints every rule with a blueprint that breaks it.

An error is refused before anything changes; a warning is only reported. Where a rule is broken on purpose, say so on
the resource that is named, and it is not reported there:

```yaml
  fleet:
    kind: aws.autoscaling.group
    lifecycle: {allow: [same-subnets]}
```

What AWS itself refuses cannot be allowed. A value that is not known yet breaks no rule. A fleet serves WebRTC clients
where the variable `webrtc` is true, or its group protects new instances from scale-in.

| rule | what must be | broken | checked by | source |
|---|---|---|---|---|
"""


def text() -> str:
    """The page as it should be."""
    return _HEAD + "".join(f"{_row(rule)}\n" for rule in RULES.values())


def _row(rule: Rule) -> str:
    broken = "warning" if rule.advice else "error, refused by AWS" if rule.refused else "error"
    return f"| `{rule.id}` | {rule.text} | {broken} | {'plan' if rule.asks_aws else 'validate'} | {rule.source} |"


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
