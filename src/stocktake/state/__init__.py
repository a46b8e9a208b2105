"""Floor 1: the only door to the database. `ledger.py` knows which runs there are and what each of them has."""
