"""Fixtures for every test: one sandbox for the session, and an AWS client connected to it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from smplan.drivers.aws.client import Aws
from smplan.redaction import KNOWN
from smplan.sandbox.sandbox import Sandbox
from tests.support import service_models
from tests.support.rate_limits import unlimited

service_models.share()  # a session of its own for each test would load them a thousand times

# a slow machine fails no test; `--hypothesis-profile quick` is the inner loop's
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("default"), max_examples=20)
settings.load_profile("default")


def pytest_xdist_auto_num_workers() -> int:
    """Of ``-n auto``: one more than there are cores, because many tests wait for a sandbox."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(autouse=True)
def no_known_secrets() -> None:
    """What one test made known is not redacted in the next."""
    KNOWN.__init__()  # type: ignore[misc]  # on purpose: as a new one


@pytest.fixture(scope="session", autouse=True)
def user_folders(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither the register of plans nor the settings are those of whoever runs the tests."""
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        os.environ[name] = str(tmp_path_factory.mktemp("user"))


@pytest.fixture(scope="session")
def box() -> Iterator[Sandbox]:
    """A sandbox at 600 times the speed; the environment points to it while it runs."""
    with Sandbox(speed=600.0) as sandbox:
        before = {name: os.environ.get(name) for name in sandbox.env()}
        os.environ.update(sandbox.env())
        # conformance cases name this key pair and instance profile
        Aws(sandbox.facts.region).write.ec2.create_key_pair(KeyName="other", KeyType="ed25519")
        Aws(sandbox.facts.region).write.iam.create_instance_profile(InstanceProfileName="stream-manager")
        yield sandbox
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@pytest.fixture(scope="session")
def aws(box: Sandbox) -> Aws:
    """The drivers' AWS client, in the sandbox's region."""
    return Aws(box.facts.region, rate_limiter=unlimited())
