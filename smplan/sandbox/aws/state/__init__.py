"""What the emulated AWS remembers, per service, and its clock. Plain data; no handler belongs here.

A handler that needs room for data of its own takes ``Account.table`` instead of adding a member.
"""
