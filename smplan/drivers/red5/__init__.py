"""The kinds behind a Stream Manager, one module each, and the client of its REST API, through which all of them go."""
