"""`python -m stocktake`: the same command line as the `stocktake` program."""

from stocktake.cli import program

if __name__ == "__main__":
    program()
