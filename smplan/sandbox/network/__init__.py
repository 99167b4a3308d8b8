"""The network of the sandbox: the way of a request from a name through a load balancer to an instance.

Belongs here: DNS names, TLS, ports and the responses of a load balancer without healthy targets. Does not belong
here: what AWS or a Stream Manager decides.
"""
