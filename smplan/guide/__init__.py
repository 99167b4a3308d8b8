"""Ordering rules and constraints of the Red5 Pro guide, each with its source.

Belongs here: rules of this domain on whole blueprints. Does not belong here: rules that hold for any blueprint
(``core``), limits of a single field (its spec), or I/O.
"""
