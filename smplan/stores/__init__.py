"""Stores: where state, journal, history and lock of one blueprint are kept durably, in local files or in S3.

Here belongs: the interface of stores and their locks, the stored bytes, the backends, and moves between them.
Not here: what states and entries mean (``core.state``), which store to use (``cli``), and when to save (``engine``).
"""
