"""Tests mirror the floors; `servers/` holds what they talk to."""
