"""What exists in a sandbox, read through the AWS API: shows what was left behind or created twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import boto3


def inventory(env: Mapping[str, str]) -> set[str]:
    """Everything of the kinds that a fleet is made of, as "kind id", in the sandbox that ``env`` leads to."""
    session = boto3.session.Session(
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        region_name=env["AWS_REGION"],
    )

    def client(service: str) -> Any:
        return session.client(cast("Any", service), endpoint_url=env["AWS_ENDPOINT_URL"])

    parts = (_compute(client("ec2")), _balancing(client("elbv2")), _scaling(client("autoscaling")))
    others = (_alarms(client("cloudwatch")), _topics(client("sns")), _records(client("route53")))
    return {found for part in (*parts, *others) for found in part}


def _compute(ec2: Any) -> Iterator[str]:
    for reservation in ec2.describe_instances()["Reservations"]:
        for instance in reservation["Instances"]:
            if instance["State"]["Name"] not in ("shutting-down", "terminated"):
                yield f"instance {instance['InstanceId']}"
    for image in ec2.describe_images(Owners=["self"])["Images"]:
        yield f"image {image['ImageId']} {image['Name']}"
    for snapshot in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]:
        yield f"snapshot {snapshot['SnapshotId']}"
    for template in ec2.describe_launch_templates()["LaunchTemplates"]:
        yield f"launch template {template['LaunchTemplateName']}"
    for group in ec2.describe_security_groups()["SecurityGroups"]:
        yield f"security group {group['GroupId']}"
    for rule in ec2.describe_security_group_rules()["SecurityGroupRules"]:
        yield f"security group rule {rule['SecurityGroupRuleId']}"


def _balancing(elbv2: Any) -> Iterator[str]:
    for balancer in elbv2.describe_load_balancers()["LoadBalancers"]:
        yield f"load balancer {balancer['LoadBalancerName']}"
        for listener in elbv2.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]:
            yield f"listener {balancer['LoadBalancerName']} {listener['Port']} {listener['ListenerArn'][-16:]}"
    for group in elbv2.describe_target_groups()["TargetGroups"]:
        yield f"target group {group['TargetGroupName']}"


def _scaling(autoscaling: Any) -> Iterator[str]:
    for group in autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]:
        yield f"scaling group {group['AutoScalingGroupName']}"
    for configuration in autoscaling.describe_launch_configurations()["LaunchConfigurations"]:
        yield f"launch configuration {configuration['LaunchConfigurationName']}"
    for policy in autoscaling.describe_policies()["ScalingPolicies"]:
        yield f"scaling policy {policy['AutoScalingGroupName']} {policy['PolicyName']}"
    for row in autoscaling.describe_notification_configurations()["NotificationConfigurations"]:
        yield f"notification {row['AutoScalingGroupName']} {row['NotificationType']}"


def _alarms(cloudwatch: Any) -> Iterator[str]:
    for alarm in cloudwatch.describe_alarms()["MetricAlarms"]:
        yield f"alarm {alarm['AlarmName']}"


def _topics(sns: Any) -> Iterator[str]:
    for topic in sns.list_topics()["Topics"]:
        yield f"topic {topic['TopicArn']}"
    for subscription in sns.list_subscriptions()["Subscriptions"]:
        yield f"subscription {subscription['SubscriptionArn']}"


def _records(route53: Any) -> Iterator[str]:
    for zone in route53.list_hosted_zones()["HostedZones"]:
        for record in route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]:
            yield f"record {record['Name']} {record['Type']}"
