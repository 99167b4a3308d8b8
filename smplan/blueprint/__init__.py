"""From the text of a blueprint to a ``core.blueprint.Blueprint``, or to every error in it, each with its place.

Belongs here: reading files, variables, interpolation and validation. Does not belong here: AWS, the state or drivers;
which kinds exist is passed in.
"""
