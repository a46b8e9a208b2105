"""Floor 0: what things are. No I/O, no clock, no environment; every function is pure."""
