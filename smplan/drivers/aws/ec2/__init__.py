"""The kinds of EC2, one module each. Modules with a leading underscore are shared by them."""
