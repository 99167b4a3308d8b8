"""YAML and JSON: text to plain values, and the place of each. What a value means belongs to ``blueprint``."""
