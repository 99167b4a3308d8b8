"""The kinds of EC2, one module each. Modules with a leading underscore hold what several of them share."""
