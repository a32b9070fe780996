"""Run the command line by `python -m senseweave`, where the command is not on the path."""

from senseweave.cli import main

if __name__ == "__main__":
    main()
