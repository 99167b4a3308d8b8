"""What the guide demands of a deployment, as data for the core: ordering and constraints, each with its source.

Belongs here: rules of this field, on whole blueprints. Does not belong here: rules that hold for any blueprint
(``core``), limits of a single field (its spec), or I/O.
"""
