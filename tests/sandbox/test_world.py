from smplan.drivers.aws.session import Aws
from smplan.sandbox.world import Sandbox


def test_a_new_sandbox_holds_the_guides_prerequisites(box: Sandbox, aws: Aws) -> None:
    vpcs = aws.read.ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["red5pro"]}])["Vpcs"]
    assert [vpc["VpcId"] for vpc in vpcs] == [box.facts.vpc_id]
    assert aws.account == box.facts.account == "123456789012"
