from __future__ import annotations

import re

import pytest

from smplan.sandbox.interface import PROPERTIES_PATH
from smplan.sandbox.stream_manager.responses import (
    Behaviour,
    Request,
)
from smplan.sandbox.stream_manager.simulator import PORT
from tests.sandbox.stream_manager.world import (
    GROUP,
    GUIDE,
    PROPERTIES,
    UNIQUE,
    Rig,
    config,
    group_body,
    instance,
    policy,
)

ROOT = Request("GET", "/", {})


def test_a_stream_manager_answers_on_its_own_port_only() -> None:
    rig = Rig()
    answer = rig.managers.respond("i-1", 5080, ROOT)
    assert answer is not None
    assert (answer.status, answer.content_type.partition(";")[0]) == (200, "text/html")
    assert rig.managers.respond("i-1", 80, ROOT) is None


@pytest.mark.parametrize(
    "changes",
    [{"state": "pending"}, {"files": {}}, {"security_group_ids": ("sg-other",)}, {"booted_at": 1e12}],
    ids=["not running", "no Stream Manager in its image", "database out of reach", "still booting"],
)
def test_what_keeps_an_instance_from_answering(changes: dict[str, object]) -> None:
    rig = Rig()
    rig.world.add(instance("i-2", **changes))
    assert rig.managers.respond("i-2", 5080, ROOT) is None
    assert rig.managers.respond("i-1", 5080, ROOT) is not None


def test_an_instance_answers_once_it_has_booted() -> None:
    rig = Rig()
    rig.world.add(instance("i-2", booted_at=rig.clock.now() + 90))
    rig.later(89)
    assert rig.managers.respond("i-2", 5080, ROOT) is None
    rig.later(1)
    assert rig.managers.respond("i-2", 5080, ROOT) is not None


def test_a_change_of_the_databases_rules_is_noticed_within_a_minute() -> None:
    rig = Rig()
    answers = []
    for admitted in (True, False, True):
        rig.world.admitted = {GROUP} if admitted else set()
        for seconds in (0, 60):
            rig.later(seconds)
            answers.append(rig.managers.respond("i-1", 5080, ROOT) is not None)
    assert answers == [True, True, True, False, False, True]


def test_unknown_instances_do_not_answer() -> None:
    assert Rig().managers.respond("i-gone", 5080, ROOT) is None


def test_the_stream_managers_share_their_database() -> None:
    rig = Rig()
    rig.world.add(instance("i-2"))
    rig.group()
    assert rig.ok("GET", "nodegroup", at="i-2") == rig.ok("GET", "nodegroup", at="i-1") != []


def test_the_cloud_controller_is_told_as_text() -> None:
    assert Rig().call("GET", "debug/cloudcontroller") == (200, "Amazon Web Services")
    assert Rig().call("GET", "debug/cloudcontroller", api="3.1") == (200, "Amazon Web Services")


@pytest.mark.parametrize(
    "path",
    [
        "/live",
        "/streammanager/api/9.9/admin/nodegroup",
        "/streammanager/api/4.0/admin/nothing",
        "/streammanager/api/4.0/event/list",
    ],
)
def test_what_is_not_there_is_a_page_not_an_envelope(path: str) -> None:
    answer = Rig().managers.respond("i-1", 5080, Request("GET", path, {}))
    assert answer is not None
    assert (answer.status, answer.content_type.partition(";")[0]) == (404, "text/html")


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_wrong_token_is_refused_with_the_status_that_was_chosen(status: int) -> None:
    rig = Rig(Behaviour(bad_token_status=status))
    assert "token" in rig.refused("GET", "nodegroup", status=status, accessToken="wrong")


def test_the_token_is_the_one_of_the_settings() -> None:
    rig = Rig()
    held = PROPERTIES.replace("sandbox-admin-token", "another")
    rig.world.add(instance("i-2", files={PROPERTIES_PATH: held}))
    rig.refused("GET", "nodegroup", at="i-2")
    assert rig.ok("GET", "nodegroup", at="i-2", accessToken="another") == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]"])
def test_a_body_must_be_a_json_object(body: bytes) -> None:
    path = "/streammanager/api/4.0/admin/nodegroup"
    answer = Rig().managers.respond("i-1", 5080, Request("POST", path, {"accessToken": "sandbox-admin-token"}, body))
    assert answer is not None
    assert answer.status == 400


SED = "sed -i 's/^streammanager.ip=.*/streammanager.ip={}/' /usr/local/red5pro/x/red5-web.properties\n"
RESTART = "systemctl restart red5pro\n"
MANAGED = {
    "the guide's script and a restart": UNIQUE,
    "restart by service": GUIDE + "service red5pro restart\n",
    "stopped, edited, started": "#!/bin/sh\nsystemctl stop red5pro\n" + GUIDE + "systemctl start red5pro\n",
    "reboot": GUIDE + "reboot\n",
    "host name in place": "#!/bin/sh\n" + SED.format("$(hostname).com") + RESTART,
    "metadata by variable": "#!/bin/sh\nip=$(curl http://169.254.169.254/latest/meta-data/local-ipv4)\n"
    + SED.format("$ip")
    + RESTART,
    "extended expression": "#!/bin/sh\n"
    'sed -i -E "s/(streammanager\\.ip=).*/\\1$(uuidgen)/" /x/red5-web.properties\n' + RESTART,
}
UNMANAGED = {
    "none": "",
    "no restart": GUIDE,
    "restart before the edit": "#!/bin/sh\nsystemctl restart red5pro\n" + GUIDE,
    "start of what runs already": GUIDE + "systemctl start red5pro\n",
    "the same for all": "#!/bin/sh\n" + SED.format("host.com") + RESTART,
    "not a script": UNIQUE.removeprefix("#!/bin/bash\n"),
    "commented out": re.sub("^sed", "# sed", UNIQUE, flags=re.MULTILINE),
    "another file": UNIQUE.replace("red5-web.properties", "other.properties"),
    "no new value": "#!/bin/sh\ngrep streammanager.ip /x/red5-web.properties\n" + RESTART,
}


def in_service(user_data: str) -> bool:
    """Whether a node gets into service where two Stream Managers have this user data."""
    rig = Rig()
    rig.world.add(instance("i-1", user_data=user_data), instance("i-2", user_data=user_data))
    rig.group()
    rig.ok("POST", "nodegroup/group/node/origin")
    rig.later(100)
    return ("origin", "inservice") in rig.states()


@pytest.mark.parametrize("user_data", MANAGED.values(), ids=MANAGED)
def test_stream_managers_told_apart_manage_nodes(user_data: str) -> None:
    assert in_service(user_data)


@pytest.mark.parametrize("user_data", UNMANAGED.values(), ids=UNMANAGED)
def test_stream_managers_that_look_the_same_do_not(user_data: str) -> None:
    assert not in_service(user_data)


def test_one_stream_manager_needs_no_address() -> None:
    rig = Rig()
    rig.world.add(instance("i-1", user_data=""))
    rig.group()
    rig.ok("POST", "nodegroup/group/node/origin")
    rig.later(100)
    assert ("origin", "inservice") in rig.states()


def test_the_root_page_proves_neither_the_web_app_nor_its_controller() -> None:
    rig = Rig(Behaviour(deploy_seconds=30.0, cloud="Dummy"))
    rig.world.add(instance("i-1", booted_at=rig.clock.now()))
    root = rig.managers.respond("i-1", PORT, ROOT)
    assert root is not None
    assert root.status == 200
    status, page = rig.call("GET", "debug/cloudcontroller")
    assert (status, "errorMessage" in page) == (404, False)
    rig.later(30)
    assert rig.ok("GET", "debug/cloudcontroller") == "Dummy"


def test_refusals_may_have_any_text_and_either_status() -> None:
    rig = Rig(Behaviour(refusal="Nein", missing_status=400))
    for path in ("nodegroup/none", "configurations/scalepolicy/none", "node/none"):
        assert rig.refused("GET", path) == "Nein"


def test_a_policy_needs_its_adjustment_and_changes_only_its_limits_while_in_use() -> None:
    rig = Rig()
    rig.group()
    body = policy(origin=(1, 2), edge=(2, 9))
    rig.ok("PUT", "configurations/scalepolicy/policy", body)
    assert "in use" in rig.refused("PUT", "configurations/scalepolicy/policy", policy(origin=(1, 2)))
    assert "in use" in rig.refused(
        "PUT", "configurations/scalepolicy/policy", {"policy": {**body["policy"], "description": "other"}}
    )
    del body["policy"]["targets"]["region"][0]["target"][0]["scaleAdjustment"]
    assert "scaleAdjustment" in rig.refused("PUT", "configurations/scalepolicy/policy", body)


def test_new_groups_and_nodes_show_in_lists_after_a_while() -> None:
    rig = Rig(Behaviour(listing_seconds=3.0))
    rig.group()
    assert rig.ok("GET", "nodegroup") == []
    rig.ok("POST", "nodegroup/group/node/origin")
    assert rig.states() == []
    rig.later(3)
    assert [each["name"] for each in rig.ok("GET", "nodegroup")] == ["group"]
    assert rig.states() == [("origin", "pending")]


def test_each_region_gets_its_own_minimum_and_silent_roles_never_come_up() -> None:
    rig = Rig(Behaviour(regions=("us-east-1", "us-west-2"), silent_roles=frozenset({"edge"})))
    rig.ok("POST", "configurations/scalepolicy", policy(origin=(1, 1), edge=(1, 2)))
    rig.ok("POST", "configurations/launchconfig", config())
    rig.ok("POST", "nodegroup", group_body(regions=["us-east-1", "us-west-2"]))
    rig.ok("POST", "nodegroup/group/node/origin")
    rig.later(80)
    rig.later(80)
    nodes = rig.ok("GET", "nodegroup/group/node")
    assert sorted((each["role"], each["availabilityZone"], each["state"]) for each in nodes) == [
        ("edge", "us-east-1a", "running"),
        ("edge", "us-west-2a", "running"),
        ("origin", "us-east-1a", "inservice"),
        ("origin", "us-west-2a", "inservice"),
    ]
