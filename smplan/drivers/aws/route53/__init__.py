"""The kinds of Route 53, one module each. Modules with a leading underscore hold what several of them share."""
