"""YAML and JSON parsers that keep source positions. No knowledge of sections or resource types."""
