"""``python -m astrum_worker``: the same as the command ``astrum-worker``."""

from astrum_worker.cli import main

if __name__ == "__main__":
    main(prog_name="astrum-worker")
