"""What to do, and in which order: the plan, and how it is derived from blueprint, state and observed state.

Belongs here: decisions as pure functions of plain values. Does not belong here: reading AWS or the state (``engine``),
carrying a plan out (``engine``), or rules of this deployment (``guide``).
"""
