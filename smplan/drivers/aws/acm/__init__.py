"""The kinds of ACM, one module each. Modules with a leading underscore are shared by them."""
