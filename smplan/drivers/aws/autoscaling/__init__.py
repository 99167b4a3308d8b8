"""The kinds of Auto Scaling, one module each. Modules with a leading underscore are shared by them."""
