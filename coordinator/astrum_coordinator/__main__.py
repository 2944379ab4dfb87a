"""``python -m astrum_coordinator``: the same as the command ``astrum-coordinator``."""

from astrum_coordinator.cli import main

if __name__ == "__main__":
    main(prog_name="astrum-coordinator")
