"""`python -m flopslab`: the same as the command `flopslab`."""

from flopslab.cli import main

if __name__ == "__main__":
    main()
