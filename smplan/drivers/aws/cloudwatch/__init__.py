"""The kinds of CloudWatch, one module each. Modules with a leading underscore are shared by them."""
