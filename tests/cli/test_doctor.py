"""``smplan doctor``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smplan.cli import wiring
from smplan.core.blueprint import BackendConfig
from smplan.stores.interface import LockHolder
from smplan.stores.local import LocalStore
from tests.cli.conftest import TOY, Ran, Shell
from tests.cli.fakes import HOLDER, in_s3


def signs(done: Ran) -> dict[str, str]:
    """The sign of each check, by its name."""
    lines = [line.split() for line in (done.out + done.err).splitlines() if line[:1] in ("✓", "✗", "!")]
    return {words[1]: words[0] for words in lines}


def hints(done: Ran) -> list[str]:
    return [line.strip() for line in (done.out + done.err).splitlines() if line.strip().startswith("= ")]


def test_doctor_reports_no_problems(smplan: Shell, bucket: str) -> None:
    smplan.applied()
    done = smplan.ok("doctor", "toy.yaml")
    assert set(signs(done).values()) == {"✓"}
    assert list(signs(done)) == ["program", "region", "credentials", "location", "state", "lock", "locking"]
    assert "for account 123456789012" in done.out
    assert "serial 2, 2 resources" in done.out
    assert smplan.ok("doctor").out == done.out


def test_missing_state_before_the_first_apply_is_not_an_error(smplan: Shell, bucket: str) -> None:
    done = smplan.ok("doctor", "toy.yaml")
    assert "empty so far" in done.out
    assert "none yet; the first apply creates it" in done.out


def test_missing_credentials_and_region_are_reported_with_hints(smplan: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_PROFILE",
        "AWS_ENDPOINT_URL",
        "SMPLAN_CLOCK_SPEED",
    ):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    done = smplan("doctor", "toy.yaml")
    assert done.code == 1
    assert (signs(done)["region"], signs(done)["credentials"], signs(done)["state"]) == ("✗", "✗", "✓")
    assert hints(done)[0] == "= write `aws: {region: …}` in the blueprint, or set AWS_REGION"


def test_credentials_of_another_account_are_reported(smplan: Shell, bucket: str) -> None:
    smplan.write(
        "toy.yaml", TOY.replace("name: toy\n", 'name: toy\naws: {region: us-east-1, account: "222222222222"}\n')
    )
    done = smplan("doctor", "toy.yaml")
    assert done.code == 1
    assert "the credentials are for account 123456789012, the blueprint is for 222222222222" in done.out


def test_doctor_without_blueprint_or_state_says_so(smplan: Shell, bucket: str) -> None:
    done = smplan("doctor")
    assert done.code == 1
    assert "there is no state here" in done.out
    smplan.write("toy.yaml", "smplan: 2\n")
    done = smplan("doctor", "toy.yaml")
    assert hints(done) == ["= run `smplan validate toy.yaml` to see every error"]


def test_a_damaged_state_is_found(smplan: Shell) -> None:
    smplan.applied()
    (smplan.folder / "state" / "toy.state.json").write_text("rotten")
    done = smplan("doctor", "--state")
    assert (done.code, signs(done)["state"], signs(done)["locking"]) == (1, "✗", "✓")
    assert any("restore a trusted copy" in each for each in hints(done))


def test_a_held_lock_is_found_and_left_alone(smplan: Shell) -> None:
    smplan.applied()
    with LocalStore(Path("state/toy.state.json")).lock(HOLDER):
        done = smplan("doctor", "--state")
    assert done.code == 1
    assert signs(done) == {"location": "✓", "state": "✓", "lock": "✗"}
    assert "held by ann@ci pid 7" in done.out


def test_unfinished_run_is_reported(smplan: Shell) -> None:
    from smplan.core.state.journal import RunBegan

    smplan.applied()
    with LocalStore(Path("state/toy.state.json")).lock(LockHolder("a", "apply", "r", "")) as held:
        held.append([RunBegan("r", "the-plan", "d", 2, "")])
    assert "the run of plan the-plan is unfinished; `smplan apply` resumes it" in smplan.ok("doctor", "--state").out


def test_a_state_in_s3_comes_with_advice_and_a_policy(smplan: Shell, bucket: str) -> None:
    smplan.write("toy.yaml", in_s3(bucket))
    smplan.ok("apply", "toy.yaml", "--yes")
    done = smplan.ok("doctor", "toy.yaml")
    assert (signs(done)["locking"], signs(done)["versioning"]) == ("✓", "!")
    assert "conditional writes are honored" in done.out
    assert f"put-bucket-versioning --bucket {bucket}" in done.out
    assert "Next: smplan doctor toy.yaml --state > policy.json" in done.err
    done = smplan.ok("doctor", "toy.yaml", "--state")
    store = wiring.store_at(BackendConfig("s3", {"bucket": bucket, "key": "k/toy.json"}), "toy")
    assert done.data == store.policy()  # type: ignore[attr-defined]  # it is in S3
    assert "program" not in signs(done)
    assert f"Next: aws s3api put-bucket-policy --bucket {bucket}" in done.err


def test_doctor_json_prints_only_json(smplan: Shell, bucket: str) -> None:
    smplan.applied()
    done = smplan.ok("doctor", "--json")
    assert done.err == ""
    assert {each["ok"] for each in done.data["checks"]} == {True}
    assert "policy" not in done.data
    smplan.write("toy.yaml", in_s3(bucket))
    data = smplan.ok("doctor", "toy.yaml", "--state", "--json").data
    assert json.dumps(data["policy"]).count("Deny") == 2


def test_versioning_that_is_on_needs_no_advice(smplan: Shell, bucket: str) -> None:
    import boto3

    client = boto3.session.Session().client("s3")
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    client.close()
    smplan.write("toy.yaml", in_s3(bucket))
    assert signs(smplan.ok("doctor", "toy.yaml"))["versioning"] == "✓"
