"""Forged plans: every member of real plans changed, added, dropped and swapped, with a digest that is right again.

``forgeries`` makes them, ``sources`` and ``fleet`` give the real plans, on a fake world and on the sandbox. ``judge``
says of each what refuses it, or why it changes nothing; ``attacks`` are those that have a name; ``campaign`` runs many.
"""
