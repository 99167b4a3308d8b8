"""Loading, observing and running: joins core, drivers and stores, which it knows by their bases only."""
