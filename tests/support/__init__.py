"""Fakes and helpers that several test packages share. Test modules import from here, never from each other."""
