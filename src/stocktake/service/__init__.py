"""Floor 3: when, and on whose behalf. `commands.py` holds the use cases that every face calls."""
