"""The kinds of Route 53, one module each. Modules with a leading underscore are shared by them."""
