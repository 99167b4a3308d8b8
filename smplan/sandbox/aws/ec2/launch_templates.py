"""EC2: launch templates, all of them: moto merges no versions, deletes none, and keeps tags as they were at first."""

from __future__ import annotations

import base64
import binascii
import copy
import secrets
from typing import Any

from smplan.sandbox.aws.ec2.client_tokens import once
from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.account import Account
from smplan.sandbox.aws.state.ec2 import LaunchTemplate

USER_DATA_BYTES = 16384


@handles("ec2", "CreateLaunchTemplate")
def create(call: Call) -> Fields:
    """The name is unique in account and region (API reference)."""
    return once(call, lambda: _create(call))


def _create(call: Call) -> Fields:
    account, name = call.account, call["LaunchTemplateName"]
    if any(each.name == name for each in account.ec2.templates.values()):
        raise AwsError("InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use.")
    data = _validated(call["LaunchTemplateData"] or {})
    template = LaunchTemplate(id=f"lt-0{secrets.token_hex(8)}", name=name, created_at=account.time())
    for each in call["TagSpecifications"] or []:
        if each.get("ResourceType") == "launch-template":
            template.tags.update({tag["Key"]: tag.get("Value", "") for tag in each.get("Tags") or []})
    template.versions[1] = _version(call, template, 1, data)
    account.ec2.templates[template.id] = template
    return {"LaunchTemplate": _described(account, template)}


def _version(call: Call, template: LaunchTemplate, number: int, data: Fields) -> Fields:
    version: Fields = {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "VersionNumber": number,
        "CreateTime": call.account.time(),
        "CreatedBy": f"arn:aws:iam::{call.account.id}:root",
        "LaunchTemplateData": data,
    }
    if call["VersionDescription"]:
        version["VersionDescription"] = call["VersionDescription"]
    return version


def _validated(data: Fields) -> Fields:
    """User data is base64 of 16,384 bytes at most; security groups go on the template or on its interface."""
    try:
        size = len(base64.b64decode(data.get("UserData") or "", validate=True))
    except binascii.Error as error:
        raise AwsError("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.") from error
    if size > USER_DATA_BYTES:
        raise AwsError("InvalidUserData.Malformed", "User data is limited to 16384 bytes")
    if data.get("NetworkInterfaces") and (data.get("SecurityGroupIds") or data.get("SecurityGroups")):
        raise AwsError(
            "InvalidParameterCombination",
            "Network interfaces and an instance-level security groups may not be specified on the same request",
        )
    return copy.deepcopy(data)


def _visible_default(account: Account, template: LaunchTemplate) -> int:
    return template.default_at(account.now() - account.reads_settle_seconds)


def _visible(account: Account, template: LaunchTemplate, version: str) -> Fields:
    """A version, by a default that may be out of date."""
    is_default = version.lower() == "$default"
    return version_of(template, str(_visible_default(account, template)) if is_default else version)


def _described(account: Account, template: LaunchTemplate) -> Fields:
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "CreateTime": template.created_at,
        "CreatedBy": f"arn:aws:iam::{account.id}:root",
        "DefaultVersionNumber": _visible_default(account, template),
        "LatestVersionNumber": template.latest,
        "Tags": [{"Key": key, "Value": value} for key, value in template.tags.items()],
    }


def require_template(account: Account, params: Fields) -> LaunchTemplate:
    """The template that an id or a name means, or EC2's refusal."""
    wanted, name = params.get("LaunchTemplateId"), params.get("LaunchTemplateName")
    if wanted:
        if wanted not in account.ec2.templates:
            raise AwsError(
                "InvalidLaunchTemplateId.NotFound",
                f"The specified launch template, with template ID {wanted}, does not exist.",
            )
        return account.ec2.templates[wanted]
    for template in account.ec2.templates.values():
        if template.name == name:
            return template
    raise AwsError(
        "InvalidLaunchTemplateName.NotFoundException",
        f"The specified launch template, with template name {name}, does not exist.",
    )


def version_of(template: LaunchTemplate, version: Any) -> Fields:
    """One version as DescribeLaunchTemplateVersions returns it; ``version`` a number, ``$Latest`` or ``$Default``."""
    text = str(version or "$Default")
    number = {"$latest": template.latest, "$default": template.default}.get(text.lower())
    if number is None:
        number = int(text) if text.isdigit() else 0
    if number not in template.versions:
        raise AwsError(
            "InvalidLaunchTemplateId.VersionNotFound",
            f"Could not find the specified version {text} for the launch template with ID {template.id}.",
        )
    return {**copy.deepcopy(template.versions[number]), "DefaultVersion": number == template.default}


@handles("ec2", "CreateLaunchTemplateVersion")
def create_version(call: Call) -> Fields:
    """With SourceVersion, what is not sent comes from there (API reference)."""
    return once(call, lambda: _create_version(call))


def _create_version(call: Call) -> Fields:
    template = require_template(call.account, call.params)
    data = _validated(call["LaunchTemplateData"] or {})
    if call["SourceVersion"]:
        data = {**version_of(template, call["SourceVersion"])["LaunchTemplateData"], **data}
    number = template.last_number = template.last_number + 1
    template.versions[number] = _version(call, template, number, data)
    return {"LaunchTemplateVersion": version_of(template, number)}


@handles("ec2", "ModifyLaunchTemplate")
def modify(call: Call) -> Fields:
    """Moves the default version."""
    template = require_template(call.account, call.params)
    if call["DefaultVersion"]:
        template.default_before, template.default_set_at = template.default, call.account.now()
        template.default = int(version_of(template, call["DefaultVersion"])["VersionNumber"])
    return {"LaunchTemplate": _described(call.account, template)}


@handles("ec2", "DeleteLaunchTemplate")
def delete(call: Call) -> Fields:
    """Whether a scaling group uses it does not matter (API reference)."""
    template = require_template(call.account, call.params)
    del call.account.ec2.templates[template.id]
    return {"LaunchTemplate": _described(call.account, template)}


@handles("ec2", "DeleteLaunchTemplateVersions")
def delete_versions(call: Call) -> Fields:
    """The default version cannot be deleted; each version succeeds or fails alone (API reference)."""
    template = require_template(call.account, call.params)
    done, failed = [], []
    for text in call["Versions"]:
        number = int(text) if text.isdigit() else 0
        each: Fields = {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name, "VersionNumber": number}
        if number == template.default:
            failed.append(
                {**each, "ResponseError": {"Code": "unexpectedError", "Message": "Default version cannot be deleted"}}
            )
        elif template.versions.pop(number, None) is None:
            failed.append(
                {
                    **each,
                    "ResponseError": {
                        "Code": "launchTemplateVersionDoesNotExist",
                        "Message": f"Version {text} does not exist",
                    },
                }
            )
        else:
            done.append(each)
    return {
        "SuccessfullyDeletedLaunchTemplateVersions": done,
        "UnsuccessfullyDeletedLaunchTemplateVersions": failed,
    }


@handles("ec2", "DescribeLaunchTemplates")
def describe(call: Call) -> Fields:
    """An unknown id or name fails the whole call."""
    account = call.account
    ids, names = call["LaunchTemplateIds"] or [], call["LaunchTemplateNames"] or []
    if ids or names:
        found = [require_template(account, {"LaunchTemplateId": each}) for each in ids]
        found += [require_template(account, {"LaunchTemplateName": each}) for each in names]
    else:
        found = list(account.ec2.templates.values())
    for wanted in call["Filters"] or []:
        found = [each for each in found if _passes(each, wanted)]
    return _page(call, "LaunchTemplates", [_described(account, each) for each in found])


def _passes(template: LaunchTemplate, wanted: Fields) -> bool:
    name, values = wanted["Name"], wanted.get("Values") or []
    if name == "launch-template-name":
        return template.name in values
    if name == "tag-key":
        return any(key in values for key in template.tags)
    if name.startswith("tag:"):
        return template.tags.get(name.removeprefix("tag:")) in values
    raise AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")


@handles("ec2", "DescribeLaunchTemplateVersions")
def describe_versions(call: Call) -> Fields:
    """Without a template: the ``$Latest`` or ``$Default`` of all (API reference)."""
    wanted = call["Versions"] or []
    if not call["LaunchTemplateId"] and not call["LaunchTemplateName"]:
        if not wanted or any(not each.startswith("$") for each in wanted):
            raise AwsError(
                "MissingParameter",
                "Either a launch template ID or a launch template name must be specified in the request.",
            )
        templates = call.account.ec2.templates.values()
        found = [_visible(call.account, each, version) for each in templates for version in wanted]
        return _page(call, "LaunchTemplateVersions", _unique(found))
    template = require_template(call.account, call.params)
    if not wanted:
        low, high = int(call["MinVersion"] or 1), int(call["MaxVersion"] or template.last_number)
        wanted = [str(number) for number in sorted(template.versions, reverse=True) if low <= number <= high]
    return _page(call, "LaunchTemplateVersions", _unique([_visible(call.account, template, each) for each in wanted]))


def _unique(versions: list[Fields]) -> list[Fields]:
    return list({(each["LaunchTemplateId"], each["VersionNumber"]): each for each in versions}.values())


def _page(call: Call, key: str, items: list[Fields]) -> Fields:
    """One page: MaxResults (default 200) and NextToken."""
    start, size = int(call["NextToken"] or 0), int(call["MaxResults"] or 200)
    response: Fields = {key: items[start : start + size]}
    if start + size < len(items):
        response["NextToken"] = str(start + size)
    return response
