"""What smplan records of what it created: the state, the journal of a run, and how a journal replays into the state.

Belongs here: these values, their invariants and their strict decoding. Does not belong here: files, buckets and locks
(``stores``).
"""
