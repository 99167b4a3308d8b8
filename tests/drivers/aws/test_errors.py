"""Translation of AWS errors."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest
from botocore import exceptions as botocore

from smplan.drivers.aws import errors
from smplan.errors import (
    Conflict,
    Denied,
    DriverError,
    Expired,
    InUse,
    Invalid,
    LostAnswer,
    NotFound,
    SmplanError,
    Throttled,
    Unreachable,
)

ENDPOINT = "http://127.0.0.1:9/"


def answered(code: str, text: str = "text", status: int = 400, *, write: bool = False) -> SmplanError:
    response = {"Error": {"Code": code, "Message": text}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return errors.from_response(response, "ec2:CreateImage", write=write)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("RequestLimitExceeded", Throttled),
        ("Throttling", Throttled),
        ("ThrottlingException", Throttled),
        ("PriorRequestNotComplete", Throttled),
        ("TooManyRequestsException", Throttled),
        ("ExpiredToken", Expired),
        ("ExpiredTokenException", Expired),
        ("RequestExpired", Expired),
        ("TokenRefreshRequired", Expired),
        ("InvalidClientTokenId", Expired),
        ("UnrecognizedClientException", Expired),
        ("AccessDenied", Denied),
        ("AccessDeniedException", Denied),
        ("UnauthorizedOperation", Denied),
        ("AuthorizationError", Denied),
        ("AuthFailure", Denied),
        ("SignatureDoesNotMatch", Denied),
        ("InvalidSignatureException", Denied),
        ("RequestTimeTooSkewed", Denied),
        ("DependencyViolation", InUse),
        ("ResourceInUse", InUse),
        ("ResourceInUseException", InUse),
        ("ScalingActivityInProgress", InUse),
        ("InstanceRefreshInProgress", InUse),
        ("InvalidSnapshot.InUse", InUse),
        ("AlreadyExists", Conflict),
        ("InvalidLaunchTemplateName.AlreadyExistsException", Conflict),
        ("InvalidGroup.Duplicate", Conflict),
        ("InvalidPermission.Duplicate", Conflict),
        ("InvalidAMIName.Duplicate", Conflict),
        ("DuplicateLoadBalancerName", Conflict),
        ("DuplicateListener", Conflict),
        ("IdempotentParameterMismatch", Conflict),
        ("InvalidGroup.NotFound", NotFound),
        ("InvalidAMIID.NotFound", NotFound),
        ("InvalidAMIID.Unavailable", NotFound),
        ("LoadBalancerNotFound", NotFound),
        ("ListenerNotFound", NotFound),
        ("InvalidPermission.NotFound", NotFound),
        ("ResourceNotFoundException", NotFound),
        ("NoSuchHostedZone", NotFound),
        ("DBInstanceNotFound", NotFound),
        ("InvalidParameterValue", Invalid),
        ("OperationNotPermitted", Invalid),
        ("InvalidUserData.Malformed", Invalid),
    ],
)
def test_a_code_means_one_thing(code: str, kind: type[SmplanError]) -> None:
    error = answered(code)
    assert type(error) is kind
    assert str(error) == f"ec2:CreateImage: text ({code})"


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        ("ValidationError", "AutoScalingGroup name not found - no such group: x", NotFound),
        ("ValidationError", "Launch configuration name not found - x", NotFound),
        ("InvalidInput", "Alarm x doesn't exist", NotFound),
        ("ValidationError", "Provided Target Groups may not be valid. Please ensure they exist", NotFound),
        (
            "InvalidParameterValue",
            "Value (x) for iamInstanceProfile is invalid. Invalid IAM Instance Profile",
            NotFound,
        ),
        ("ValidationError", "Invalid IamInstanceProfile: x", NotFound),
        ("ValidationError", "Launch Configuration by this name already exists", Conflict),
        ("InvalidChangeBatch", "Tried to create resource record set but it already exists", Conflict),
        ("InvalidChangeBatch", "Tried to delete resource record set but it was not found", NotFound),
        ("ValidationError", "Max must be at least min", Invalid),
    ],
)
def test_a_vague_code_is_classified_by_its_message(code: str, text: str, kind: type[SmplanError]) -> None:
    assert type(answered(code, text)) is kind


@pytest.mark.parametrize(
    ("code", "text", "action", "expected"),
    [
        ("ResourceContention", "busy", "autoscaling:PutScalingPolicy", True),
        ("ResourceContention", "busy", "autoscaling:DeletePolicy", True),
        ("ServiceLinkedRoleFailure", "not ready", "autoscaling:CreateAutoScalingGroup", True),
        ("ScalingActivityInProgress", "busy", "autoscaling:UpdateAutoScalingGroup", True),
        ("ScalingActivityInProgress", "busy", "autoscaling:DeleteAutoScalingGroup", False),  # the engine reports that
        ("OperationAborted", "conflict", "sns:CreateTopic", True),
        ("ConcurrentModificationException", "conflict", "cloudwatch:TagResource", True),
        ("IncorrectInstanceState", "The instance is in state 'pending'", "ec2:CreateImage", True),
        ("IncorrectInstanceState", "The instance is in state 'terminated'", "ec2:CreateImage", False),
        ("InvalidLaunchTemplateId.VersionNotFound", "version 2", "ec2:ModifyLaunchTemplate", True),
        ("InvalidLaunchTemplateId.VersionNotFound", "version 2", "autoscaling:UpdateAutoScalingGroup", False),
        ("DependencyViolation", "in use", "ec2:DeleteSecurityGroup", False),
        ("ResourceInUse", "in use", "elasticloadbalancing:ModifyTargetGroup", False),
        ("ValidationError", "Max must be at least min", "autoscaling:CreateAutoScalingGroup", False),
    ],
)
def test_only_what_passes_by_itself_is_sent_again(code: str, text: str, action: str, expected: bool) -> None:
    response = {"Error": {"Code": code, "Message": text}, "ResponseMetadata": {"HTTPStatusCode": 500}}
    error = errors.from_response(response, action, write=True)
    assert isinstance(error, DriverError)
    assert errors.passes(error) == expected


def test_a_server_error_loses_the_answer_of_a_write_and_only_that() -> None:
    assert type(answered("InternalError", status=500, write=True)) is LostAnswer
    assert type(answered("InternalError", status=503, write=False)) is Unreachable


def test_a_throttled_write_was_not_done() -> None:
    assert type(answered("RequestLimitExceeded", status=503, write=True)) is Throttled


@pytest.mark.parametrize("status", [401, 403])
def test_an_unknown_code_with_a_refusing_status_is_a_refusal(status: int) -> None:
    assert type(answered("Mystery", status=status)) is Denied


def test_an_answer_without_error_details_is_still_an_error() -> None:
    assert type(errors.from_response({}, "ec2:CreateImage", write=False)) is Invalid


def test_a_refusal_names_the_permission_to_give() -> None:
    error = answered("UnauthorizedOperation")
    assert isinstance(error, Denied)
    assert (error.code, error.action) == ("UnauthorizedOperation", "ec2:CreateImage")
    assert "allow ec2:CreateImage" in error.hint


def test_expired_credentials_end_the_run_as_interrupted() -> None:
    error = answered("ExpiredToken")
    assert error.exit_code == 9
    assert "renew" in error.hint


def test_an_account_without_launch_configurations_gets_a_hint_to_launch_templates() -> None:
    text = "The Launch Configuration creation operation is not available in your account. Use launch templates"
    error = answered("UnsupportedOperation", text)
    assert type(error) is Invalid
    assert "aws.ec2.launch_template" in error.hint


def made(error: type[Exception], **arguments: Any) -> SmplanError:
    return errors.from_library(error(**arguments), "ec2:CreateImage", write=False)


def test_missing_credentials_have_a_hint() -> None:
    error = made(botocore.NoCredentialsError)
    assert type(error) is Denied
    assert "AWS_PROFILE" in error.hint
    assert type(made(botocore.PartialCredentialsError, provider="env", cred_var="x")) is Denied
    assert type(made(botocore.CredentialRetrievalError, provider="sso", error_msg="x")) is Denied


def test_an_unknown_profile_and_a_missing_region_name_the_variable_to_set() -> None:
    assert "AWS_PROFILE" in made(botocore.ProfileNotFound, profile="x").hint
    assert "AWS_REGION" in made(botocore.NoRegionError).hint


def test_a_request_that_cannot_be_built_is_invalid() -> None:
    assert type(made(botocore.ParamValidationError, report="x")) is Invalid


def test_a_request_that_never_left_is_not_a_lost_answer() -> None:
    for error in (botocore.EndpointConnectionError, botocore.ConnectTimeoutError):
        got = errors.from_library(error(endpoint_url=ENDPOINT), "ec2:CreateImage", write=True)
        assert type(got) is Unreachable


def test_a_write_without_a_response_is_lost_and_a_read_is_unreachable() -> None:
    silence = botocore.ReadTimeoutError(endpoint_url=ENDPOINT)
    assert type(errors.from_library(silence, "ec2:CreateImage", write=True)) is LostAnswer
    assert type(errors.from_library(silence, "ec2:DescribeImages", write=False)) is Unreachable


def test_translation_keeps_the_cause_and_lets_other_errors_pass() -> None:
    with pytest.raises(Unreachable) as caught, errors.translated("ec2:DescribeImages", write=False):
        raise botocore.ReadTimeoutError(endpoint_url=ENDPOINT)
    assert isinstance(caught.value.__cause__, botocore.ReadTimeoutError)
    with pytest.raises(ZeroDivisionError), errors.translated("ec2:DescribeImages", write=False):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
        ("InvalidSignatureException", "Signature expired: 20260102T120000Z is now earlier than 20260102T121500Z"),
        ("SignatureDoesNotMatch", "Signature not yet current: 20260102T120000Z is still later than 20260102T114500Z"),
    ],
)
def test_a_request_refused_for_its_time_has_the_clock_hint(code: str, text: str) -> None:
    error = answered(code, text)
    assert type(error) is Denied
    assert "clock" in error.hint


@pytest.mark.parametrize("code", ["RequestExpired", "AuthFailure", "SignatureDoesNotMatch"])
@pytest.mark.parametrize(("date", "off"), [("Fri, 02 Jan 2015 12:00:00 GMT", True), (None, False), ("", False)])
def test_the_date_of_the_response_distinguishes_a_wrong_clock_from_bad_credentials(
    code: str, date: str | None, off: bool
) -> None:
    headers = {"date": formatdate(usegmt=True) if date is None else date}
    response = {
        "Error": {"Code": code, "Message": "text"},
        "ResponseMetadata": {"HTTPStatusCode": 400, "HTTPHeaders": headers},
    }
    assert ("clock" in errors.from_response(response, "ec2:X", write=False).hint) == off


def test_an_auth_failure_of_unknown_keys_drains_the_run_and_another_is_a_refusal() -> None:
    unknown = answered("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
    assert type(unknown) is Expired
    assert "use other credentials" in unknown.hint
    assert type(answered("AuthFailure", "Not authorized for images: [ami-1]", 403)) is Denied


def test_a_signature_that_is_wrong_never_repeats_what_was_signed() -> None:
    error = answered(
        "SignatureDoesNotMatch", "It does not match.\n\nThe Canonical String was\nx-amz-security-token:abc"
    )
    assert str(error) == "ec2:CreateImage: It does not match. (SignatureDoesNotMatch)"
    assert "AWS_SECRET_ACCESS_KEY" in error.hint


@pytest.mark.parametrize("write", [True, False])
@pytest.mark.parametrize(
    "error",
    [
        botocore.UnauthorizedSSOTokenError(),
        botocore.SSOTokenLoadError(error_msg="x"),
        botocore.TokenRetrievalError(provider="sso", error_msg="x"),
        botocore.RefreshWithMFAUnsupportedError(),
        botocore.LoginRefreshRequired(),
    ],
)
def test_credentials_that_cannot_be_renewed_are_expired_and_not_a_lost_answer(error: Exception, write: bool) -> None:
    assert type(errors.from_library(error, "ec2:CreateImage", write=write)) is Expired


def test_another_runtime_error_is_not_taken_for_one_about_credentials() -> None:
    with pytest.raises(RuntimeError, match="dictionary changed"), errors.translated("ec2:X", write=False):
        raise RuntimeError("dictionary changed size during iteration")
