"""The kinds of SNS, one module each. Modules with a leading underscore are shared by them."""
