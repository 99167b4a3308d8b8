"""The emulated AWS: moto, and handlers for what AWS does that moto leaves out or does otherwise.

Belongs here: one module per subject below a folder per service; a function decorated with ``@handles`` registers
itself (``handlers.load`` imports every module), one with ``@on_tick`` runs as time passes. Does not belong here: how
packets travel (``network``), or what runs on an instance (``stream_manager``).
"""
