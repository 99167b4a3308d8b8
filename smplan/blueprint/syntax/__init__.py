"""Parsers of YAML and JSON that keep the position of each value. Meaning belongs to ``blueprint``."""
