"""Campaigns: smplan against all that can go wrong; at full size by ``make``, a seeded slice of each as a test."""
