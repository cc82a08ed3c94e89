"""``python -m srseg``: the command line."""

from srseg.cli import main

if __name__ == "__main__":
    main()
