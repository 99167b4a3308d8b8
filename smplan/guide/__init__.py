"""Rules of the Red5 Pro guide: ordering edges and blueprint constraints. Pure; no input or output."""
