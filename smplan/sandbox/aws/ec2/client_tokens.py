"""EC2: client tokens. A repeated token returns the first response; with another request it is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable

from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.requests import Call


def once(call: Call, make: Callable[[], Fields]) -> Fields:
    """Run ``make`` unless this token was used before (EC2 Developer Guide, "ensuring idempotency")."""
    token = call["ClientToken"]
    if not token:
        return make()
    tokens = call.account.ec2.tokens
    key = (call.action, token)
    if key in tokens:
        request, response = tokens[key]
        if request != call.params:
            raise AwsError(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
            )
        return copy.deepcopy(response)
    request = copy.deepcopy(call.params)
    response = make()
    tokens[key] = (request, copy.deepcopy(response))
    return response
