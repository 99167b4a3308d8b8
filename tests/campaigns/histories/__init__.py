"""Random histories on a simulated cloud and clock, with the real engine and the real local store.

``schedule`` decides which thread runs when, ``process`` simulates one process and its ``faults``, ``cloud`` and
``kinds`` hold the resources, ``random_blueprints`` edits the blueprint, ``external_changes`` acts for other users,
``history`` runs one history and ``convergence`` its end, ``invariants`` are checked after every step, ``campaign`` runs
many.
"""
