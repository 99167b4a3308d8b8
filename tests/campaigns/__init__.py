"""Fault campaigns: exhaustive or random fault injection, at full size by ``make``, a seeded slice of each as a test.

- ``run_NAME.py`` is the command of ``make NAME``; ``test_*.py`` run the slices; all other modules are libraries.
- Crash matrix and faults: ``crash_matrix`` and ``fault_matrix`` list the cases, ``fault_points`` injects the faults,
  ``matrix`` runs a case in a ``sandbox_case``, ``sharding`` runs many, ``verdict_log`` keeps their results.
- Torn writes and damage: ``torn_writes`` (with ``crash_states``), ``corruption`` and ``cli_corruption`` (with
  ``mutations``); both store what ``generators`` makes and count in a ``report``.
- Race: ``race`` and ``fencing``, with ``race_workers`` as the processes.
- Histories: the package ``histories``.
"""
