"""State and journal as values: what they hold, how a journal replays onto a state, and how both become JSON.

Pure: reading and writing them is for ``stores``.
"""
