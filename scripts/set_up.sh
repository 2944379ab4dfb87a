#!/bin/sh
# Make .venv and install the project into it, editable and with pinned dependencies.
#
#   scripts/set_up.sh run      what running needs
#   scripts/set_up.sh test     and what the tests need
#   scripts/set_up.sh fuzz     the same and a fuzzer (Linux)
#   scripts/set_up.sh bench    and what the benchmarks need
#
# Uses uv when it is there, venv and pip otherwise. Does nothing when the last set-up was made
# from the same files. PYTHON names the interpreter; CONSTRAINTS another list of pins ("" for none).
set -eu
cd "$(dirname "$0")/.."

purpose=${1:-test}
venv=${VENV:-.venv}
constraints=${CONSTRAINTS-constraints.txt}
stamp=$venv/.set-up-for-$purpose
key=$(cat pyproject.toml scripts/set_up.sh ${constraints:+"$constraints"} | cksum)

case $purpose in
    run) project=. ;;
    test) project=.[test] ;;
    fuzz) project=.[fuzz] ;;
    bench) project=.[bench] ;;
    *) echo "usage: scripts/set_up.sh run|test|fuzz|bench" >&2; exit 2 ;;
esac

usable() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    # A name on PATH may be a shim of a version manager that then finds nothing: try each.
    for candidate in ${PYTHON:+"$PYTHON"} python3.13 python3.12 python3.11 python3 python3.14 python; do
        if usable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
}

have_uv() {
    command -v uv >/dev/null 2>&1
}

make_venv() {
    python=$(find_python)
    if [ -n "${PYTHON:-}" ] && [ "$python" != "$PYTHON" ]; then
        echo "PYTHON=$PYTHON is not a Python 3.11 or newer." >&2
        exit 1
    elif have_uv; then
        uv venv --quiet --clear --python "${python:->=3.11}" "$venv"
    elif [ -z "$python" ]; then
        echo "Astrum needs Python 3.11 or newer, and none is on PATH." >&2
        echo "Install one, or name it: make PYTHON=/path/to/python3 ..." >&2
        exit 1
    elif ! "$python" -c 'import ensurepip' >/dev/null 2>&1; then
        echo "$python cannot make virtual environments (no ensurepip)." >&2
        echo "On Debian and Ubuntu: apt-get install python3-venv. Or install uv." >&2
        exit 1
    else
        "$python" -m venv --clear "$venv"
    fi
}

install() {
    if have_uv; then
        uv pip install --quiet --python "$venv/bin/python" ${constraints:+-c "$constraints"} -e "$project"
    else
        "$venv/bin/python" -m pip --disable-pip-version-check install --quiet \
            ${constraints:+-c "$constraints"} -e "$project"
    fi
}

# Not every installer does it, and where PYTHONDONTWRITEBYTECODE is set each process would compile
# all that it imports again: a worker takes three times as long to start then.
compile_all() {
    "$venv/bin/python" -m compileall -q -q -j 0 "$venv"/lib/python*/site-packages \
        astrum worker coordinator examples tests || true   # some packages hold files that are not Python
}

up_to_date() {
    also=
    [ "$purpose" != run ] || also=$venv/.set-up-for-test
    for made in "$stamp" $also; do
        if [ -f "$made" ] && [ "$(cat "$made")" = "$key" ]; then
            return
        fi
    done
    return 1
}

if up_to_date && usable "$venv/bin/python"; then
    exit 0
fi
echo "Setting up $venv ..." >&2
if ! usable "$venv/bin/python"; then
    make_venv
elif ! have_uv && ! "$venv/bin/python" -c 'import pip' >/dev/null 2>&1; then
    "$venv/bin/python" -m ensurepip >/dev/null   # made by uv, which has left since
fi
install
compile_all
echo "$key" > "$stamp"
