"""The blueprint loader: from a file to a ``core.blueprint.Blueprint``, or to all its errors, each with line and column.

Belongs here: reading files, variables, interpolation and validation. Does not belong here: AWS, the state or drivers;
which kinds exist is passed in.
"""
