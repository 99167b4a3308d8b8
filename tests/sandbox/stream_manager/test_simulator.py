from __future__ import annotations

import re

import pytest

from smplan.sandbox.interface import PROPERTIES_PATH
from smplan.sandbox.stream_manager.responses import (
    Behaviour,
    Request,
)
from tests.sandbox.stream_manager.world import GROUP, GUIDE, PROPERTIES, UNIQUE, Rig, instance

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
