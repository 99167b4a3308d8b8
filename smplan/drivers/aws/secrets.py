"""Secrets of a blueprint, read from the sources it names; no message of this module contains one."""

from __future__ import annotations

from collections.abc import Mapping

from smplan.drivers.aws.client import Aws
from smplan.errors import DriverError, Invalid, NotFound
from smplan.redaction import KNOWN

_KINDS = "write env:NAME, ssm:/path or secretsmanager:id"


def resolve(source: str, *, aws: Aws, environ: Mapping[str, str]) -> str:
    """The secret at ``source``: ``env:NAME``, ``ssm:/path`` or ``secretsmanager:id``; redacted everywhere from now on.

    Raises NotFound if there is none, Denied if the credentials may not read it, Invalid if it is not text.
    """
    secret = _read(source, aws, environ)
    KNOWN.remember(secret)
    return secret


def _read(source: str, aws: Aws, environ: Mapping[str, str]) -> str:
    place, _, name = source.partition(":")
    if not name:
        # not shown: it may be the secret itself, written here by mistake
        raise Invalid("not the source of a secret", hint=_KINDS)
    match place:
        case "env":
            return _from_environment(name, environ)
        case "ssm":
            return _from_parameter_store(name, aws)
        case "secretsmanager":
            return _from_secrets_manager(name, aws)
        case _:
            raise Invalid("not a source of secrets that smplan knows", hint=_KINDS)


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    if name not in environ:
        raise NotFound(f"the environment variable {name} is not set", hint=f"set {name}, then run the same command")
    return _not_empty(environ[name], f"the environment variable {name}", f"store the secret in {name}")


def _from_parameter_store(name: str, aws: Aws) -> str:
    where = f"the SSM parameter {name}"
    try:
        response = aws.read.ssm.get_parameter(Name=name, WithDecryption=True)
    except DriverError as error:
        raise _describe(
            error, where, f"aws ssm put-parameter --type SecureString --name {name} --value …", aws
        ) from error
    return _not_empty(response["Parameter"].get("Value", ""), where, "store the secret in it")


def _from_secrets_manager(name: str, aws: Aws) -> str:
    where = f"the Secrets Manager secret {name}"
    try:
        response = aws.read.secretsmanager.get_secret_value(SecretId=name)
    except DriverError as error:
        create = f"aws secretsmanager create-secret --name {name} --secret-string …"
        raise _describe(error, where, create, aws) from error
    if "SecretString" not in response:
        raise Invalid(f"{where} contains bytes, not text", hint="store it as a secret string")
    return _not_empty(response["SecretString"], where, "store the secret in it")


def _describe(error: DriverError, where: str, command: str, aws: Aws) -> DriverError:
    """The same error, with the secret's source and a hint."""
    hint = error.hint
    if isinstance(error, NotFound):
        hint = f"create it in {aws.region}: {command}"
    return type(error)(f"{where} cannot be read: {error.message}", hint=hint, code=error.code, action=error.action)


def _not_empty(secret: str, where: str, hint: str) -> str:
    if not secret:
        raise Invalid(f"{where} is empty", hint=hint)
    return secret
