#!/bin/sh
# Write constraints.txt again: the newest versions that pyproject.toml allows, as installed.
set -eu
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
VENV=$scratch/venv CONSTRAINTS= scripts/set_up.sh test
{
    echo "# Made by \`make constraints\`: the versions that the tests of this commit ran with."
    "$scratch/venv/bin/python" - <<'PYTHON'
import re
from importlib.metadata import distributions

OURS = {"astrum-pool", "pip", "setuptools", "wheel"}
installed = {re.sub(r"[-_.]+", "-", d.name).lower(): d.version for d in distributions()}
for name in sorted(installed.keys() - OURS):
    print(f"{name}=={installed[name]}")
PYTHON
} > "$scratch/constraints.txt"
mv "$scratch/constraints.txt" constraints.txt
