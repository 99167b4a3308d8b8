"""No value that AWS's service model refuses passes ``validate``."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from smplan.core.spec import Spec
from smplan.drivers.aws.sent_as import SentAs
from tests.campaigns.run_constraints import EXCEPTIONS
from tests.support import constraints

KINDS = constraints.aws_kinds()


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_model_refuses_is_refused_but_for_the_listed_exceptions(kind: str) -> None:
    trials = list(constraints.field_trials(kind, KINDS[kind]))
    accepted = {(trial.kind, ".".join(trial.field), trial.rule) for trial in trials if not trial.refused(KINDS[kind])}
    assert accepted == {each for each in EXCEPTIONS if each[0] == kind}


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_model_requires_has_a_value(kind: str) -> None:
    assert list(constraints.optional_but_required(KINDS[kind])) == []


@pytest.mark.parametrize("kind", KINDS)
def test_bindings_name_fields_that_exist(kind: str) -> None:
    form: Any = KINDS[kind]
    assert {*form.sent_as.members, *form.sent_as.not_bound} <= set(form.model_fields)


class Lax(Spec):
    """A spec without constraints."""

    sent_as: ClassVar = SentAs("sns:CreateTopic")
    tags: dict[str, str] | None = None


def test_a_constraint_that_a_spec_lacks_is_found() -> None:
    trials = list(constraints.field_trials("test.lax", Lax))
    assert {trial.rule for trial in trials} == {"key min", "key max", "value max"}
    assert not any(trial.refused(Lax) for trial in trials)
