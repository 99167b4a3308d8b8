"""Waiting for the world, with evidence."""
