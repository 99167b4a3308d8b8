"""State in S3: planned in one clone, applied in another, and never by two at once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace

from tests.e2e.conftest import CliSandbox

S3 = "state: {backend: s3, bucket: fleet-state, key: prod/fleet.json}\n"


def test_one_clone_applies_a_plan_of_another_while_a_third_sees_the_lock_holder(stage: CliSandbox) -> None:
    stage.client("s3").create_bucket(Bucket="fleet-state")
    blueprint = stage.blueprint(edit=lambda text: text.replace("variables:\n", f"{S3}\nvariables:\n", 1))
    clones = [replace(stage, folder=stage.folder / name) for name in ("planning", "applying", "waiting")]
    for clone in clones:
        clone.folder.mkdir()
    planning, applying, waiting = clones
    planning.done("plan", blueprint, "--out", "plan.json")
    for clone in (applying, waiting):
        shutil.copy(planning.folder / "plan.json", clone.folder / "plan.json")

    command = [sys.executable, "-m", "smplan", "apply", "plan.json", "--yes", "--json"]
    environment = {**os.environ, **stage.box.env()}
    with subprocess.Popen(command, cwd=applying.folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        assert first["event"] == "apply_started"
        since = time.strftime("%Y-%m-%d")
        refused = waiting.run("apply", "plan.json", "--yes")
        assert refused.returncode == 7
        assert f"pid {process.pid}" in refused.stderr
        assert f"since {since}" in refused.stderr
        process.stdout.read()
    assert process.returncode == 0

    assert waiting.run("apply", "plan.json", "--yes").returncode == 4  # applied already
    assert planning.run("plan", blueprint, "--detailed-exitcode").returncode == 0
    keys = {item["Key"] for item in stage.client("s3").list_objects_v2(Bucket="fleet-state").get("Contents", [])}
    assert "prod/fleet.json" in keys
    planning.done("destroy", blueprint, "--yes")
