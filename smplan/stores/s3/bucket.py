"""Objects of one bucket, written only under a condition; what became of a write nobody answered is found by looking."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from smplan.errors import StoreError
from smplan.stores.codec import STATE_BYTES
from smplan.stores.interface import Clock, ignore
from smplan.stores.s3 import errors
from smplan.stores.s3.errors import Ambiguous, NotFound, PreconditionFailed

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")

CONNECT_SECONDS = 5
READ_SECONDS = 15
PAUSES = (0.2, 0.5, 1.0)
"""Seconds before a call that got no clear answer is made again. The SDK makes none again: nobody would hear of it."""
_MANY = 1000
"""How many objects one DeleteObjects may name."""


def connect(region: str | None = None) -> S3Client:
    """An S3 client as patient as a lease allows; region, credentials and endpoint as any AWS tool finds them."""
    import boto3
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
    )
    try:
        return boto3.session.Session(region_name=region).client("s3", config=config)
    except BotoCoreError as error:
        raise errors.from_library(error, "S3") from error


@dataclass(frozen=True, slots=True)
class Object:
    """The bytes of an object, its ETag, and when the server gave them out, by its own clock."""

    body: bytes
    etag: str
    date: datetime


class Bucket:
    """One bucket. ``place`` names one of its objects for people; ``say`` hears of every call that is made again."""

    def __init__(
        self,
        client: S3Client,
        name: str,
        *,
        kms_key_id: str | None,
        clock: Clock,
        on_warning: Callable[[str], None] = ignore,
    ) -> None:
        self.name = name
        self._client = client
        self._clock = clock
        self.on_warning = on_warning
        self._sealed: dict[str, Any] = {}
        if kms_key_id:
            self._sealed = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key_id}
        self._told: tuple[datetime, float] | None = None

    def place(self, key: str) -> str:
        """``s3://bucket/key``."""
        return f"s3://{self.name}/{key}"

    def now(self) -> datetime:
        """The time by the server's clock: a second behind it at most. Raises StoreError if it never told the time."""
        if self._told is None:
            raise self._timeless()
        date, then = self._told
        return date + timedelta(seconds=self._clock.now() - then)

    def _timeless(self) -> StoreError:
        return StoreError(
            f"s3://{self.name}: the store does not tell the time",
            hint="leases run by the Date header of its answers: keep state in a store that sends one",
        )

    def get(self, key: str, limit: int) -> Object | None:
        """The object at ``key``, None if there is none. Raises StoreError, also for more than ``limit`` bytes."""

        def once() -> Object | None:
            with suppress(NotFound), self._asking(key) as ask:
                answer = ask(self._client.get_object, Bucket=self.name, Key=key)
                if answer["ContentLength"] > limit:
                    raise StoreError(f"{self.place(key)} is larger than {limit} bytes", hint="look who wrote it")
                date = _date(answer)
                if date is None:
                    raise self._timeless()
                return Object(answer["Body"].read(), answer["ETag"], date)
            return None

        return self._patiently(once)

    def etag(self, key: str) -> str | None:
        """The ETag of the object at ``key``, None if there is none."""

        def once() -> str | None:
            with suppress(NotFound), self._asking(key) as ask:
                return str(ask(self._client.head_object, Bucket=self.name, Key=key)["ETag"])
            return None

        return self._patiently(once)

    def put(self, key: str, body: bytes, *, etag: str | None) -> str:
        """Write ``body`` if the object still has ``etag``, or if there is none (None). The new ETag.

        Raises PreconditionFailed if the condition did not hold, Ambiguous if nobody can tell whether it was written.
        What looks refused or unclear counts as written if ``body`` is what is there: give it a part of its own.
        """
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        return self._patiently(lambda: self._put(key, body, condition))

    def _put(self, key: str, body: bytes, condition: dict[str, str]) -> str:
        sealed = self._sealed
        try:
            with self._asking(key) as ask:
                answer = ask(self._client.put_object, Bucket=self.name, Key=key, Body=body, **condition, **sealed)
                return str(answer["ETag"])
        except (NotFound, PreconditionFailed, Ambiguous) as problem:
            found = self.get(key, STATE_BYTES)
            if found and found.body == body:
                return found.etag
            if isinstance(problem, NotFound):
                raise PreconditionFailed(str(problem), hint=problem.hint) from problem
            raise

    def delete(self, key: str, etag: str) -> None:
        """Remove the object if it still has ``etag``. Raises PreconditionFailed if it has another. Gone is success."""

        def once() -> None:
            with suppress(NotFound), self._asking(key) as ask:
                ask(self._client.delete_object, Bucket=self.name, Key=key, IfMatch=etag)

        self._patiently(once)

    def keys(self, prefix: str) -> list[str]:
        """The keys that start with ``prefix``, sorted."""

        def once() -> list[str]:
            with self._asking(prefix):
                pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
                return sorted(item["Key"] for page in pages for item in page.get("Contents", ()))

        return self._patiently(once)

    def remove(self, keys: Sequence[str]) -> None:
        """Remove objects that count for nothing any more, whatever is in them."""
        for start in range(0, len(keys), _MANY):
            with self._asking(keys[start]) as ask:
                objects = [{"Key": key} for key in keys[start : start + _MANY]]
                ask(self._client.delete_objects, Bucket=self.name, Delete={"Objects": objects, "Quiet": True})

    @property
    def partition(self) -> str:
        """Which AWS the bucket is in: aws, aws-cn, ..."""
        return str(self._client.meta.partition)

    def versioned(self) -> bool:
        """Whether the bucket keeps earlier versions of its objects."""
        with self._asking("") as ask:
            return bool(ask(self._client.get_bucket_versioning, Bucket=self.name).get("Status") == "Enabled")

    def encryption(self) -> str:
        """How the bucket encrypts by itself: "AES256", "aws:kms", ..."""
        with self._asking("") as ask:
            found = ask(self._client.get_bucket_encryption, Bucket=self.name)["ServerSideEncryptionConfiguration"]
            return str(found["Rules"][0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"])

    def _patiently(self, once: Callable[[], T]) -> T:
        """``once``, made again after an unclear answer."""
        for pause in PAUSES:
            try:
                return once()
            except Ambiguous as problem:
                self.on_warning(f"{problem}; again in {pause:.1f} s")
                self._clock.pause(pause)
        return once()

    @contextmanager
    def _asking(self, key: str) -> Iterator[Callable[..., Any]]:
        """Calls whose faults leave as StoreError, and whose answers tell the time."""
        sent = self._clock.now()

        def ask(method: Callable[..., Any], **arguments: Any) -> Any:
            answer = method(**arguments)
            self._hear(answer, sent)
            return answer

        try:
            yield ask
        except ClientError as error:
            self._hear(error.response, sent)
            raise errors.from_answer(error.response, self.place(key)) from error
        except BotoCoreError as error:
            raise errors.from_library(error, self.place(key)) from error
        except RuntimeError as error:
            if "still expired" not in str(error):  # botocore has no error of its own for this
                raise
            raise errors.from_library(error, self.place(key)) from error

    def _hear(self, answer: Any, sent: float) -> None:
        """Take the time from an answer. Counted from when the request left, it is a second behind at most."""
        date = _date(answer)
        if date:
            self._told = (date, sent)


def _date(answer: Any) -> datetime | None:
    """When the server gave the answer, cut to the second."""
    header = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return parsedate_to_datetime(header).astimezone(UTC)
    except (ValueError, TypeError):
        return None
