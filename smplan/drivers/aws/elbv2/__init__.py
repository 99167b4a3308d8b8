"""The kinds of Elastic Load Balancing, one module each. Modules with an underscore hold what several of them share."""
