"""`python -m guestsim`."""

from guestsim.cli import main

if __name__ == "__main__":
    main()
