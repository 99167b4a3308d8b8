"""Changes of everything on the serving path: what the plan says that viewers notice, and what they did notice."""
