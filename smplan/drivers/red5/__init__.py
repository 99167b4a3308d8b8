"""Stream Manager's REST API: its client, and one file a kind of thing that lives behind it."""
