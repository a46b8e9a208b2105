"""Pages that stand alone: one HTML file that needs no network, runs no script and prints well."""
