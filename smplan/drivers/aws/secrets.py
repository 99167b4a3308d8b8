"""Secrets of a blueprint, fetched from where it says they are; no message of this module ever holds one."""

from __future__ import annotations

from collections.abc import Mapping

from smplan.drivers.aws.client import Aws
from smplan.errors import DriverError, Invalid, NotFound

_KINDS = "write env:NAME, ssm:/path or secretsmanager:id"


def resolve(source: str, *, aws: Aws, environ: Mapping[str, str]) -> str:
    """The secret that ``source`` leads to: ``env:NAME``, ``ssm:/path`` or ``secretsmanager:id``.

    Raises NotFound if there is none, Denied if the credentials may not read it, Invalid if it holds no text.
    """
    place, _, name = source.partition(":")
    if not name:
        # not shown: whoever wrote the secret itself here would read it in the message
        raise Invalid("this does not say where the secret is", hint=_KINDS)
    match place:
        case "env":
            return _from_environment(name, environ)
        case "ssm":
            return _from_parameter_store(name, aws)
        case "secretsmanager":
            return _from_secrets_manager(name, aws)
        case _:
            raise Invalid("this is no place for secrets that smplan knows", hint=_KINDS)


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    if name not in environ:
        raise NotFound(f"the environment variable {name} is not set", hint=f"set {name}, then run the same command")
    return _not_empty(environ[name], f"the environment variable {name}", f"put the secret into {name}")


def _from_parameter_store(name: str, aws: Aws) -> str:
    where = f"the SSM parameter {name}"
    try:
        answer = aws.read.ssm.get_parameter(Name=name, WithDecryption=True)
    except DriverError as error:
        raise _told(error, where, f"aws ssm put-parameter --type SecureString --name {name} --value …", aws) from error
    return _not_empty(answer["Parameter"].get("Value", ""), where, "put the secret into it")


def _from_secrets_manager(name: str, aws: Aws) -> str:
    where = f"the Secrets Manager secret {name}"
    try:
        answer = aws.read.secretsmanager.get_secret_value(SecretId=name)
    except DriverError as error:
        made = f"aws secretsmanager create-secret --name {name} --secret-string …"
        raise _told(error, where, made, aws) from error
    if "SecretString" not in answer:
        raise Invalid(f"{where} holds bytes, not text", hint="store it as a secret string")
    return _not_empty(answer["SecretString"], where, "put the secret into it")


def _told(error: DriverError, where: str, command: str, aws: Aws) -> DriverError:
    """The same error, saying which secret it is about and what to do."""
    hint = error.hint
    if isinstance(error, NotFound):
        hint = f"make it in {aws.region}: {command}"
    return type(error)(f"{where} cannot be read: {error.message}", hint=hint, code=error.code, action=error.action)


def _not_empty(secret: str, where: str, hint: str) -> str:
    if not secret:
        raise Invalid(f"{where} is empty", hint=hint)
    return secret
