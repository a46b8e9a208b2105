"""How much of what a report holds, and where."""
