#!/bin/sh
# Makes .venv and installs what is pinned; says in one sentence what is missing. Each further word, such as
# "dev", is the requirements-*.txt to install besides.
# A stamp is written only after a complete installation, so a half-built environment is built again.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

[ -w . ] || { say "The folder $(pwd) cannot be written. Clone Hengtou into a folder of your own."; exit 1; }

suits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

# Python is linked into a new environment before pip is put there: one that was cut short in between has no pip.
usable() {
    [ -x .venv/bin/python ] && suits .venv/bin/python || return 1
    [ -f .venv/installed-requirements.txt ] || .venv/bin/python -m pip --version >/dev/null 2>&1
}

if ! usable; then
    python=""
    for name in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
        if command -v "$name" >/dev/null 2>&1 && suits "$name"; then python=$name; break; fi
    done
    if [ -z "$python" ]; then
        found=$("${PYTHON:-python3}" --version 2>/dev/null || echo none)
        say "Hengtou needs Python 3.11, 3.12 or 3.13; found${PYTHON:+ under $PYTHON}: $found. Install one, or name it: make run PYTHON=/path/to/python3.11"
        exit 1
    fi
    rm -rf .venv
    if ! "$python" -m venv .venv; then
        rm -rf .venv
        say "$python could not make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv"
        exit 1
    fi
fi

install() {
    stamp=".venv/installed-$1"
    sum=$(cksum < "$1")
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$sum" ] && return 0
    say "Installing $1 into .venv (once; a minute or two)…"
    if ! .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$1"; then
        say "Installing $1 failed; the lines above say why. Run the command again once that is mended: it goes on from here."
        exit 1
    fi
    printf '%s' "$sum" > "$stamp"
}

install requirements.txt
for more in "$@"; do install "requirements-$more.txt"; done
