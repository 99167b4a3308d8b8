"""Kinds that exist in the state alone."""
