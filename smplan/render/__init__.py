"""Values and events in, text out. Renderers never see drivers, stores or the network."""
