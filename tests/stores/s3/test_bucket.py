from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, UnauthorizedSSOTokenError

from smplan.errors import StoreError
from smplan.stores.s3 import S3Store, connect
from smplan.stores.s3.bucket import READ_SECONDS, Bucket
from smplan.stores.s3.errors import Ambiguous, Expired, PreconditionFailed
from tests.stores.samples import HandClock, S3Place
from tests.support.s3_client import CUT, EXPIRED, LOST, Faults, Wire

CONFLICT = ClientError(
    {"Error": {"Code": "ConditionalRequestConflict"}, "ResponseMetadata": {"HTTPStatusCode": 409, "HTTPHeaders": {}}},  # type: ignore[typeddict-item]  # botocore gives more members, none of them read
    "PutObject",
)


def opened(place: S3Place, **options: Any) -> tuple[Bucket, Wire]:
    wire = Wire(place.client)
    return Bucket(wire, place.bucket, **{"kms_key_id": None, "clock": HandClock(), **options}), wire  # type: ignore[arg-type]  # a client in all but type


def test_an_object_is_written_only_where_none_is(s3_place: S3Place) -> None:
    bucket, _ = opened(s3_place)
    etag = bucket.put("k", b"one", etag=None)
    with pytest.raises(PreconditionFailed):
        bucket.put("k", b"two", etag=None)
    assert bucket.etag("k") == etag
    assert s3_place.files() == {"k": b"one"}


def test_an_object_is_replaced_only_as_it_was_seen(s3_place: S3Place) -> None:
    bucket, _ = opened(s3_place)
    first = bucket.put("k", b"one", etag=None)
    second = bucket.put("k", b"two", etag=first)
    with pytest.raises(PreconditionFailed):
        bucket.put("k", b"three", etag=first)
    with pytest.raises(PreconditionFailed):
        bucket.put("other", b"three", etag=second)
    assert s3_place.files() == {"k": b"two"}


def test_an_object_is_removed_only_as_it_was_seen(s3_place: S3Place) -> None:
    bucket, _ = opened(s3_place)
    first = bucket.put("k", b"one", etag=None)
    second = bucket.put("k", b"two", etag=first)
    with pytest.raises(PreconditionFailed):
        bucket.delete("k", first)
    bucket.delete("k", second)
    assert s3_place.files() == {}


def test_a_missing_object_is_none(s3_place: S3Place) -> None:
    bucket, _ = opened(s3_place)
    assert bucket.get("k", 10) is None
    assert bucket.etag("k") is None
    assert bucket.keys("k") == []


def test_a_write_whose_response_was_lost_counts(s3_place: S3Place) -> None:
    bucket, wire = opened(s3_place)
    wire.after = Faults(LOST)
    etag = bucket.put("k", b"one", etag=None)
    assert wire.calls == ["put_object", "get_object"]
    wire.after = Faults(LOST)
    bucket.put("k", b"two", etag=etag)
    assert s3_place.files() == {"k": b"two"}


@pytest.mark.parametrize("problem", [CUT, CONFLICT], ids=["cut off", "conflict"])
def test_a_write_that_was_not_done_is_sent_again(s3_place: S3Place, problem: Exception) -> None:
    bucket, wire = opened(s3_place)
    wire.before = Faults(problem, times=2)
    bucket.put("k", b"one", etag=None)
    assert wire.calls == ["put_object", "get_object", "put_object", "get_object", "put_object"]
    assert s3_place.files() == {"k": b"one"}


def test_a_write_that_stays_ambiguous_is_an_error(s3_place: S3Place) -> None:
    bucket, wire = opened(s3_place)
    wire.before = Faults(CUT, times=99)
    with pytest.raises(Ambiguous, match=r"s3://.*/k got no response"):
        bucket.put("k", b"one", etag=None)
    assert wire.calls.count("put_object") == 4


def test_every_retry_is_reported(s3_place: S3Place) -> None:
    said: list[str] = []
    bucket, wire = opened(s3_place, on_warning=said.append)
    wire.before = Faults(CUT, times=2)
    bucket.put("k", b"one", etag=None)
    assert len(said) == 2
    assert said[0].startswith(f"{bucket.uri('k')} got no response: ")
    assert said[0].endswith("; retrying in 0.2 s")


REFRESHED = RuntimeError("Credentials were refreshed, but the refreshed credentials are still expired.")


@pytest.mark.parametrize("problem", [EXPIRED, REFRESHED, UnauthorizedSSOTokenError()])
def test_expired_credentials_are_not_retried(s3_place: S3Place, problem: Exception) -> None:
    bucket, wire = opened(s3_place)
    wire.before = Faults(problem, times=99)
    with pytest.raises(Expired) as caught:
        bucket.put("k", b"one", etag=None)
    assert caught.value.exit_code == 9
    assert "resumable" in caught.value.hint
    assert wire.calls == ["put_object"]


def test_another_runtime_error_is_not_mistaken_for_expired_credentials(s3_place: S3Place) -> None:
    bucket, wire = opened(s3_place)
    wire.before = Faults(RuntimeError("dictionary changed size during iteration"))
    with pytest.raises(RuntimeError, match="dictionary changed"):
        bucket.put("k", b"one", etag=None)


def test_a_write_refused_because_of_another_process_is_refused(s3_place: S3Place) -> None:
    bucket, wire = opened(s3_place)
    s3_place.put("k", b"theirs")
    wire.before = Faults(CUT)
    with pytest.raises(PreconditionFailed):
        bucket.put("k", b"one", etag=None)


def test_reads_are_retried(s3_place: S3Place) -> None:
    bucket, wire = opened(s3_place)
    s3_place.put("k", b"one")
    wire.before = Faults(CUT, "get_object", 3)
    found = bucket.get("k", 10)
    assert found is not None
    assert found.body == b"one"


def test_an_object_too_large_is_not_read(s3_place: S3Place) -> None:
    bucket, _ = opened(s3_place)
    s3_place.put("k", b"one more")
    with pytest.raises(StoreError, match=r"s3://.*/k is larger than 5 bytes"):
        bucket.get("k", 5)


def test_many_objects_are_listed_and_removed(s3_place: S3Place) -> None:
    bucket, wire = opened(s3_place)
    for number in range(3):
        s3_place.put(f"k/{number}", b"x")
    s3_place.put("other", b"x")
    assert bucket.keys("k/") == ["k/0", "k/1", "k/2"]
    bucket.remove([f"k/{number}" for number in range(1500)])
    bucket.remove([])
    assert wire.calls == ["delete_objects", "delete_objects"]
    assert list(s3_place.files()) == ["other"]


def test_the_servers_time_is_counted_from_its_last_response(s3_place: S3Place) -> None:
    server, clock = HandClock(), HandClock()
    wire = Wire(s3_place.client, server)
    bucket = Bucket(wire, s3_place.bucket, kms_key_id=None, clock=clock)  # type: ignore[arg-type]  # a client in all but type
    with pytest.raises(StoreError, match="sends no Date header"):
        bucket.now()
    bucket.get("k", 10)
    told = bucket.now()
    clock.time += 5
    assert (bucket.now() - told).total_seconds() == 5
    server.time += 60
    bucket.get("k", 10)
    assert (bucket.now() - told).total_seconds() == 60


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_a_store_without_a_date_header_is_rejected(s3_place: S3Place, date: str) -> None:
    class Timeless(Wire):
        def _tell_time(self, answer: Any) -> None:
            answer["ResponseMetadata"]["HTTPHeaders"]["date"] = date

    bucket = Bucket(Timeless(s3_place.client), s3_place.bucket, kms_key_id=None, clock=HandClock())  # type: ignore[arg-type]  # a client in all but type
    s3_place.put("k", b"x")
    with pytest.raises(StoreError, match="sends no Date header"):
        bucket.get("k", 10)
    bucket.get("none", 10)
    with pytest.raises(StoreError, match="sends no Date header"):
        bucket.now()


def test_a_kms_key_goes_with_every_write(s3_place: S3Place) -> None:
    bucket, wire = opened(s3_place, kms_key_id="alias/state")
    seen: list[dict[str, Any]] = []
    wire.before = lambda name, arguments: seen.append(dict(arguments))
    bucket.put("k", b"one", etag=None)
    assert (seen[0]["ServerSideEncryption"], seen[0]["SSEKMSKeyId"]) == ("aws:kms", "alias/state")


def test_a_missing_bucket_has_a_hint(s3_client: Any) -> None:
    store = S3Store("no-such-bucket-anywhere", "fleet", client=s3_client)
    with pytest.raises(StoreError, match=r"s3://no-such-bucket-anywhere/fleet: .* \(NoSuchBucket\)") as caught:
        store.read()
    assert "create the bucket" in caught.value.hint


def test_the_client_times_out_before_a_lease_expires() -> None:
    client = connect("eu-west-1")
    config = client.meta.config
    assert config.retries["total_max_attempts"] == 1  # type: ignore[attr-defined]  # botocore sets it
    assert (client.meta.region_name, config.read_timeout) == ("eu-west-1", READ_SECONDS)  # type: ignore[attr-defined]  # botocore sets it
    client.close()


def test_missing_credentials_have_a_hint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    client = connect("us-east-1")
    with pytest.raises(StoreError, match="no AWS credentials were found"):
        S3Store("bucket", "fleet", client=client).read()
    client.close()
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreError, match="nobody"):
        connect("us-east-1")
