"""Floor 2: taking an inventory. `take.py` is the straight line; read it first."""
