"""Elastic Load Balancing: load balancers, listeners, target groups and the health of targets."""
