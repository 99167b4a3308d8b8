"""Campaigns: whole spaces of faults gone through, each printing its figures and the command that replays a failure."""
