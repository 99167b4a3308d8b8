"""Campaigns: a law of smplan tried in every way there is, or in very many. Each prints its figures and its seed."""
