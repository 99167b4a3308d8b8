"""The kinds of RDS, one module each. Modules with a leading underscore are shared by them."""
