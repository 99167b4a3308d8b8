"""The kinds of CloudWatch, one module each. Modules with a leading underscore hold what several of them share."""
