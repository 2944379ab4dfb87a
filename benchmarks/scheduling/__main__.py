"""Runs the command of this package."""

from benchmarks.scheduling.command import main

if __name__ == "__main__":
    main()
