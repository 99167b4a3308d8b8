"""The network of the sandbox: the way of a request from a name through a load balancer to an instance.

Belongs here: DNS names, TLS, ports, security groups, the responses of a load balancer without healthy targets, and
viewers with their sessions. Does not belong here: what AWS or a Stream Manager decides.
"""
