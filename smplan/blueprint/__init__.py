"""Blueprint text to validated declarations. Must not import drivers, stores or the engine."""
