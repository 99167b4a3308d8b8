# What blueprints/stream-manager.yaml makes on AWS, for Terraform's AWS provider: see bench/calls.py.
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

provider "aws" {
  skip_credentials_validation = true
  skip_metadata_api_check     = true
}

# Prerequisites, as the lookups of the blueprint find them.
data "aws_vpc" "v" {
  tags = { Name = "red5pro" }
}
data "aws_subnets" "s" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.v.id]
  }
}
data "aws_security_group" "sm" {
  name   = "red5pro-stream-manager"
  vpc_id = data.aws_vpc.v.id
}
data "aws_security_group" "db" {
  name   = "red5pro-database"
  vpc_id = data.aws_vpc.v.id
}
data "aws_instance" "src" {
  filter {
    name   = "tag:Name"
    values = ["red5pro-stream-manager"]
  }
}
data "aws_acm_certificate" "c" {
  domain      = "*.example.com"
  most_recent = true
}
data "aws_route53_zone" "z" { name = "example.com" }

resource "aws_security_group_rule" "db" {
  type                     = "ingress"
  from_port                = 3306
  to_port                  = 3306
  protocol                 = "tcp"
  security_group_id        = data.aws_security_group.db.id
  source_security_group_id = data.aws_security_group.sm.id
}
resource "aws_ami_from_instance" "sm" {
  name               = "sm-ami"
  source_instance_id = data.aws_instance.src.id
}
resource "aws_launch_template" "lt" {
  name          = "sm-lt"
  image_id      = aws_ami_from_instance.sm.id
  instance_type = "c5.large"
  user_data     = base64encode("#!/bin/bash\necho hi\n")
  network_interfaces {
    associate_public_ip_address = true
    security_groups             = [data.aws_security_group.sm.id]
  }
  monitoring { enabled = true }
}
resource "aws_lb" "alb" {
  name               = "sm-alb"
  internal           = false
  load_balancer_type = "application"
  security_groups    = [data.aws_security_group.sm.id]
  subnets            = data.aws_subnets.s.ids
}
resource "aws_lb_target_group" "tg" {
  name     = "sm-tg"
  port     = 5080
  protocol = "HTTP"
  vpc_id   = data.aws_vpc.v.id
  health_check { path = "/" }
}
resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.alb.arn
  port              = 5080
  protocol          = "HTTP"
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.tg.arn
  }
}
resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.alb.arn
  port              = 443
  protocol          = "HTTPS"
  certificate_arn   = data.aws_acm_certificate.c.arn
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.tg.arn
  }
}
resource "aws_autoscaling_group" "asg" {
  name = "sm-asg"
  launch_template {
    id      = aws_launch_template.lt.id
    version = aws_launch_template.lt.latest_version
  }
  desired_capacity          = 1
  min_size                  = 1
  max_size                  = 4
  vpc_zone_identifier       = data.aws_subnets.s.ids
  target_group_arns         = [aws_lb_target_group.tg.arn]
  health_check_type         = "ELB"
  health_check_grace_period = 300
  protect_from_scale_in     = true
  wait_for_capacity_timeout = "0"
  force_delete              = true
  depends_on                = [aws_lb_listener.http, aws_lb_listener.https, aws_security_group_rule.db]
}
resource "aws_autoscaling_policy" "up" {
  name                   = "Increase Group Size"
  autoscaling_group_name = aws_autoscaling_group.asg.name
  adjustment_type        = "ChangeInCapacity"
  scaling_adjustment     = 1
  cooldown               = 300
}
resource "aws_cloudwatch_metric_alarm" "up" {
  alarm_name          = "sm-cpu-high"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  evaluation_periods  = 2
  metric_name         = "CPUUtilization"
  namespace           = "AWS/EC2"
  period              = 60
  statistic           = "Average"
  threshold           = 70
  dimensions          = { AutoScalingGroupName = aws_autoscaling_group.asg.name }
  alarm_actions       = [aws_autoscaling_policy.up.arn, aws_sns_topic.t.arn]
}
resource "aws_sns_topic" "t" {
  name         = "sm-events"
  display_name = "Stream Managers"
}
resource "aws_autoscaling_notification" "n" {
  group_names   = [aws_autoscaling_group.asg.name]
  topic_arn     = aws_sns_topic.t.arn
  notifications = ["autoscaling:EC2_INSTANCE_LAUNCH", "autoscaling:EC2_INSTANCE_LAUNCH_ERROR", "autoscaling:EC2_INSTANCE_TERMINATE", "autoscaling:EC2_INSTANCE_TERMINATE_ERROR"]
}
resource "aws_route53_record" "r" {
  zone_id = data.aws_route53_zone.z.zone_id
  name    = "streammanager.example.com"
  type    = "CNAME"
  ttl     = 60
  records = [aws_lb.alb.dns_name]
}
