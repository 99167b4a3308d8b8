"""Every constraint of AWS's service models: is a value that breaks it refused by ``validate``, and by the sandbox?

    python -m tests.campaigns.run_constraints

Each field of each spec is tried with values that break the constraints of the member it is sent as. Each operation that
a driver sends is sent to a sandbox with each of its constraints broken. ``EXCEPTIONS`` are printed with their reason.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import boto3.session
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.core.utils import get_service_model

from smplan.drivers import registry
from smplan.sandbox.sandbox import Sandbox
from tests.campaigns.report import table
from tests.support import constraints
from tests.support.constraints import Trial

SERVICES = {"elasticloadbalancing": "elbv2"}
CODES = frozenset(
    {"ValidationError", "ValidationException", "InvalidParameterValue", "MissingParameter", "InvalidInput"}
)
EXCEPTIONS: Mapping[tuple[str, str, str], str] = {
    (
        "aws.ec2.launch_template",
        "instance_type",
        "enum",
    ): "AWS adds types all the time: a newer one is for AWS to judge",
}
"""(kind, field, rule) to the reason why ``validate`` accepts what the model refuses."""
UNSENT = "the SDK cannot send it"
EMPTY = "the protocol cannot send an empty list or structure: it is left out"
ENCODED = "the SDK encodes it, so any text is valid"
OTHER_PATH = "without an id it is the path of another operation"
REASONS: Mapping[tuple[str, str, str], str] = {
    ("autoscaling:CreateLaunchConfiguration", "UserData", "pattern"): ENCODED,
    ("route53:GetChange", "Id", "min"): OTHER_PATH,
}
"""(operation, member, rule) to the reason why the sandbox cannot refuse it."""


KNOWN = frozenset({UNSENT, EMPTY, ENCODED, OTHER_PATH})


def operations() -> list[str]:
    """``service:Operation`` of everything that the drivers of AWS send."""
    actions = {
        action
        for kind, found in registry.drivers().items()
        if kind.startswith("aws.")
        for action in found.iam_actions.read + found.iam_actions.write
    }
    split = [action.partition(":") for action in sorted(actions)]
    named = [(SERVICES.get(service, service), name) for service, _, name in split]
    return [f"{service}:{name}" for service, name in named if service != "iam" and name in operation_names(service)]


def operation_names(service: str) -> list[str]:
    """The operations of a service's model; ``iam:PassRole``, for one, is none."""
    names: list[str] = get_service_model(service).operation_names
    return names


class Requests:
    """Sends requests to a sandbox that botocore would refuse to send."""

    def __init__(self, box: Sandbox) -> None:
        env = box.env()
        self._session: Any = boto3.session.Session(
            env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], region_name=env["AWS_REGION"]
        )
        self._url = env["AWS_ENDPOINT_URL"]
        self._clients: dict[str, Any] = {}

    def outcome(self, operation: str, trial: Trial) -> str:
        """Empty if the sandbox refuses the trial as invalid, else what happened."""
        service, _, name = operation.partition(":")
        if service not in self._clients:
            config = Config(parameter_validation=False, retries={"total_max_attempts": 1, "mode": "standard"})
            self._clients[service] = self._session.client(service, endpoint_url=self._url, config=config)
        try:
            self._clients[service]._make_api_call(name, trial.value)
        except ClientError as error:
            found = error.response["Error"]
            refused = found.get("Code") in CODES and "validation error" in found.get("Message", "")
            why = "" if refused else f"{found.get('Code')}: {found.get('Message')}"
        except Exception:  # whatever a serializer raises
            return UNSENT
        else:
            why = "accepted"
        known = EMPTY if why and _holds_empty(trial.value) else str(why)
        return REASONS.get((operation, trial.path, trial.rule), known)


def _holds_empty(value: Any) -> bool:
    """Whether a list or structure somewhere in ``value`` is empty."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value in ([], {}) or any(map(_holds_empty, inner))


def by_sandbox(box: Sandbox, chosen: Sequence[str]) -> Iterator[tuple[str, Trial, str]]:
    """Each operation, constraint and outcome; empty where the sandbox refuses."""
    requests = Requests(box)
    for operation in chosen:
        shape = constraints.input_shape(operation)
        for trial in constraints.trials(shape) if shape else ():
            yield operation, trial, requests.outcome(operation, trial)


def by_validate() -> Iterator[tuple[constraints.FieldTrial, bool]]:
    """Each field, constraint, and whether ``validate`` refuses."""
    for kind, form in constraints.aws_kinds().items():
        for trial in constraints.field_trials(kind, form):
            yield trial, trial.refused(form)


def main() -> int:
    """Print both tables; 1 if a value is accepted without a reason."""
    tried, refused, reasons = Counter[str](), Counter[str](), Counter[str]()
    for trial, ok in by_validate():
        tried[trial.kind] += 1
        refused[trial.kind] += ok
        field = ".".join(trial.field)
        if not ok:
            reasons[
                f"{trial.kind} {field} {trial.rule}: {EXCEPTIONS.get((trial.kind, field, trial.rule), 'ACCEPTED')}"
            ] += 1
    print(_table("kind", "refused by validate", tried, refused))
    for kind, form in constraints.aws_kinds().items():
        for field, reason in constraints.sent_as(form).not_bound.items():
            print(f"  not in the model: {kind} {field}: {reason}")
    tried, refused = Counter(), Counter()
    with Sandbox(speed=0.0, account="210987654329", gateway=None) as box:
        for operation, sent, outcome in by_sandbox(box, operations()):
            tried[operation] += 1
            refused[operation] += not outcome
            if outcome:
                known = outcome if outcome in KNOWN else f"ACCEPTED ({outcome})"
                reasons[f"{operation} {sent.path} {sent.rule}: {known}"] += 1
    print(_table("operation", "refused by the sandbox", tried, refused))
    for reason in reasons:
        print(f"  exception: {reason}")
    return int(any("ACCEPTED" in reason for reason in reasons))


def _table(what: str, outcome: str, tried: Counter[str], refused: Counter[str]) -> str:
    rows = [(name, str(tried[name]), str(refused[name])) for name in tried]
    return table((what, "constraints", outcome), [*rows, ("in all", str(tried.total()), str(refused.total()))])


if __name__ == "__main__":
    sys.exit(main())
