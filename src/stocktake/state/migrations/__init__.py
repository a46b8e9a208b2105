"""How the schema came to be, version by version. Alembic runs `versions/` through `env.py`."""
