"""Random histories on a simulated cloud and clock, with the real engine, the real local store and saved plans.

``schedule`` decides which thread runs when, ``process`` simulates one process and its ``faults``, ``cloud`` and
``kinds`` hold the resources. A ``site`` is one blueprint with its state; ``random_blueprints`` and ``address_edits``
edit its ``drafts``, ``external_changes`` acts for other users, ``commands`` are what one process does. ``history`` runs
one history and ``convergence`` its end; ``plan_laws`` are checked of every plan, ``invariants`` at every call and after
every step. ``campaign`` runs many.
"""
