"""IAM: the instance profiles that launch settings name. Everything else of IAM is moto's."""

from __future__ import annotations

from smplan.sandbox.aws.errors import AwsError
from smplan.sandbox.aws.state.account import Account


def profile_exists(account: Account, given: str) -> bool:
    """Whether there is an instance profile of that name or ARN."""
    try:
        name = given.rpartition("/")[2]
        found = account.moto.call("iam", "GetInstanceProfile", {"InstanceProfileName": name})["InstanceProfile"]
    except AwsError:
        return False
    return not given.startswith("arn:") or found["Arn"] == given
