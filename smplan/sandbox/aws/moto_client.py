"""The way into moto past the rules: boto3 clients whose requests never leave the process."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any, cast
from urllib.parse import urlsplit

import boto3.session
import botocore.session
from botocore import handlers
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from moto.core.utils import get_service_model

from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.ids import ACCESS_KEY, REGION, SECRET_KEY

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class MotoClient:
    """Clients of a WSGI application. The caller holds the sandbox's lock: moto is not thread-safe."""

    def __init__(self, application: Application) -> None:
        self._application = application
        core = botocore.session.get_session()
        core.register_component("data_loader", _Shared(include_default_search_paths=True))
        self._session = boto3.session.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION, botocore_session=core)
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """The client of ``service`` that speaks to the application directly."""
        if service not in self._clients:
            self._clients[service] = self._made(service)
        return self._clients[service]

    def call(self, service: str, action: str, params: Fields) -> Fields:
        """The response to one action, without its metadata. Raises AwsError."""
        client = self.client(service)
        try:
            response = client._make_api_call(action, params)
        except ClientError as error:
            fault = error.response["Error"]
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            raise AwsError(fault.get("Code", ""), fault.get("Message", ""), status=status) from error
        response.pop("ResponseMetadata", None)
        return cast("Fields", response)

    def _made(self, service: str) -> Any:
        config = Config(
            parameter_validation=False,
            retries={"mode": "standard", "total_max_attempts": 1},
            user_agent="smplan-sandbox",  # saves making a long one for each request
        )
        client = self._session.client(cast("Any", service), endpoint_url="http://127.0.0.1", config=config)
        # Requests come from the wire: their user data is base64 already.
        for event in (
            "before-parameter-build.ec2.RunInstances",
            "before-parameter-build.autoscaling.CreateLaunchConfiguration",
        ):
            client.meta.events.unregister(event, handlers.base64_encode_user_data)
        client.meta.events.register("before-send", self._sent)
        return client

    def _sent(self, request: Any, **_: object) -> AWSResponse:
        url = urlsplit(request.url)
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method,
            "PATH_INFO": url.path,
            "RAW_URI": url.path,
            "QUERY_STRING": url.query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.url_scheme": "http",
            "HTTP_HOST": "127.0.0.1",
        }
        for name, value in request.headers.items():
            text = value.decode() if isinstance(value, bytes) else str(value)
            key = name.upper().replace("-", "_")
            environ[key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"] = text
        status, headers, content = collected(self._application, environ)
        return AWSResponse(request.url, status, cast("Any", HeadersDict(headers)), _Raw(content))


class _Shared(Loader):
    """botocore's models as moto has loaded them already: reading EC2's alone takes a third of a second."""

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        """The model of a service."""
        if type_name == "service-2" and api_version is None:
            return cast("Any", get_service_model(service_name))._service_description
        return super().load_service_model(service_name, type_name, api_version)


class _Raw(io.BytesIO):
    """A body as botocore wants to read it."""

    def stream(self, **_: object) -> Iterable[bytes]:
        """All of it."""
        yield self.read()


def collected(application: Application, environ: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """Run ``application`` once: its status, headers and whole body."""
    seen: list[tuple[int, dict[str, str]]] = []

    def start(status: str, headers: list[tuple[str, str]], *_: object) -> None:
        seen.append((int(status.split(" ", 1)[0]), dict(headers)))

    chunks = application(environ, start)
    try:
        content = b"".join(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close:
            close()
    return (*seen[-1], content)
