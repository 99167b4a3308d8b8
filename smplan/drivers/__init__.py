"""Drivers: one module per kind of resource, found by the kind's name.

Belongs here: the spec of a kind and how it is found, read, created, updated and deleted (``base`` has the interface and
its laws). Does not belong here: when to do what (``engine``), and code of another kind: drivers never import each
other.
"""
