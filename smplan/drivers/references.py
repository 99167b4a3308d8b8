"""What fields take of other kinds, for every family."""

from __future__ import annotations

from smplan.core.reference import Reference, ReferencesByKey


def _arn(service: str, resource: str = "") -> str:
    return rf"arn:[^:]+:{service}:[^:]*:[^:]*:{resource}"


VPC = Reference("the id of a VPC", ("aws.ec2.vpc.id",), "vpc-", "vpc-0123456789abcdef0")
SUBNET = Reference("the id of a subnet", ("aws.ec2.subnets.ids",), "subnet-", "subnet-0123456789abcdef0")
SECURITY_GROUP = Reference("the id of a security group", ("aws.ec2.security_group.id",), "sg-", "sg-0123456789abcdef0")
PREFIX_LIST = Reference("the id of a prefix list", (), "pl-", "pl-0123456789abcdef0")
INSTANCE = Reference("the id of an instance", ("aws.ec2.instance.id",), "i-", "i-0123456789abcdef0")
IMAGE = Reference("the id of an image", ("aws.ec2.image.id",), "ami-", "ami-0123456789abcdef0")
IMAGE_NAME = Reference("the name of an image", ("aws.ec2.image.name",), "(?!ami-)", "red5pro-node")
ROOT_DEVICE = Reference(
    "the name of a root device",
    ("aws.ec2.image.root_device_name", "aws.ec2.instance.root_device_name"),
    "(?!ami-)",
    "/dev/sda1",
)
KEY_PAIR = Reference("the name of a key pair", (), "(?!key-)", "operators")
INSTANCE_PROFILE = Reference(
    "the name or ARN of an instance profile", (), f"(?!arn:)|{_arn('iam', 'instance-profile/')}", "stream-manager"
)
KMS_KEY = Reference("a KMS key", (), f"(?!arn:)|{_arn('kms')}", "alias/my-key")
LAUNCH_TEMPLATE = Reference(
    "the id of a launch template", ("aws.ec2.launch_template.id",), "lt-", "lt-0123456789abcdef0"
)
LAUNCH_TEMPLATE_VERSION = Reference("the version of a launch template", ("aws.ec2.launch_template.version",))
LAUNCH_CONFIGURATION = Reference(
    "the name of a launch configuration",
    ("aws.autoscaling.launch_configuration.name", "aws.autoscaling.launch_configuration.id"),
    "(?!arn:)",
    "my-launch-configuration",
)
SCALING_GROUP = Reference(
    "the name of a scaling group", ("aws.autoscaling.group.name", "aws.autoscaling.group.id"), "(?!arn:)", "my-group"
)
LOAD_BALANCER = Reference(
    "the ARN of a load balancer",
    ("aws.elbv2.load_balancer.arn", "aws.elbv2.load_balancer.id"),
    _arn("elasticloadbalancing", "loadbalancer/"),
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/alb/0123456789abcdef",
)
TARGET_GROUP = Reference(
    "the ARN of a target group",
    ("aws.elbv2.target_group.arn", "aws.elbv2.target_group.id"),
    _arn("elasticloadbalancing", "targetgroup/"),
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/targets/0123456789abcdef",
)
CERTIFICATE = Reference(
    "the ARN of a certificate",
    ("aws.acm.certificate.arn", "aws.acm.certificate.id"),
    f"{_arn('acm', 'certificate/')}|{_arn('iam', 'server-certificate/')}",
    "arn:aws:acm:us-east-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef",
)
TOPIC = Reference(
    "the ARN of a topic",
    ("aws.sns.topic.arn", "aws.sns.topic.id"),
    _arn("sns"),
    "arn:aws:sns:us-east-1:123456789012:alerts",
)
ROLE = Reference("the ARN of a role", (), _arn("iam", "role/"), "arn:aws:iam::123456789012:role/scaling")
HOOK_TARGET = Reference(
    "the ARN of a topic or queue",
    ("aws.sns.topic.arn", "aws.sns.topic.id"),
    f"$|{_arn('(sns|sqs)')}",
    "arn:aws:sns:us-east-1:123456789012:alerts",
)
ALARM_ACTION = Reference(
    "the ARN of a scaling policy or topic",
    ("aws.autoscaling.scaling_policy.arn", "aws.sns.topic.arn", "aws.sns.topic.id"),
    # API reference of PutMetricAlarm, AlarmActions
    _arn("(sns|autoscaling|automate|swf|ssm|ssm-incidents|lambda|aiops)"),
    "arn:aws:sns:us-east-1:123456789012:alerts",
)
# CloudWatch names load balancers and target groups by the last part of their ARNs (ELB user guide, CloudWatch metrics)
DIMENSIONS = ReferencesByKey(
    {
        "AutoScalingGroupName": SCALING_GROUP,
        "LoadBalancer": Reference(
            "the last part of the ARN of a load balancer",
            ("aws.elbv2.load_balancer.arn_suffix",),
            "(?!arn:)",
            "app/alb/0123456789abcdef",
        ),
        "TargetGroup": Reference(
            "the last part of the ARN of a target group",
            ("aws.elbv2.target_group.arn_suffix",),
            "(?!arn:)",
            "targetgroup/targets/0123456789abcdef",
        ),
    }
)
ZONE = Reference("the id of a zone", ("aws.route53.zone.id",), "(?!.*[.:])", "Z0123456789ABCDEFGHIJ")
ALIAS_ZONE = Reference(
    "the zone of an alias's target",
    ("aws.elbv2.load_balancer.canonical_hosted_zone_id", "aws.route53.zone.id"),
    "(?!.*[.:])",
    "Z0123456789ABCDEFGHIJ",
)
HOST = Reference(
    "a host name or address",
    (
        "aws.elbv2.load_balancer.dns_name",
        "aws.route53.record.name",
        "aws.route53.record.fqdn",
        "aws.rds.instance.endpoint",
        "aws.ec2.instance.private_ip_address",
        "aws.ec2.instance.public_ip_address",
    ),
    "(?!arn:|[a-z]+://)",
    "sm.example.com",
)
NODE_LAUNCH_CONFIG = Reference(
    "the name of a launch configuration of nodes", ("red5.launch_config.name", "red5.launch_config.id")
)
NODE_SCALE_POLICY = Reference("the name of a scale policy", ("red5.scale_policy.name", "red5.scale_policy.id"))
