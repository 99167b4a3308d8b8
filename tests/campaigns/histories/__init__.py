"""Random histories on a cloud in memory under a simulated clock, with the real engine and the real local store.

``schedule`` says who runs when, ``process`` what happens to one process, ``cloud`` and ``kinds`` what exists,
``drafts`` what a person writes and ``outside`` what others do, ``history`` one history and ``ending`` how it ends,
``laws`` what must hold after every step of it.
"""
