#!/bin/sh
# Make .venv on a bare machine: system libraries, uv, environment, package.
#
#   sh scripts/setup.sh [VENV]
#
# A second call is quick: stamp files in VENV say what was done for which files.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
venv=${1:-.venv}

say() { printf '%s\n' "$*" >&2; }

# --- System libraries (Debian and its children) -----------------------------------------------
# What Qt needs to draw under X, and Xvfb where there is no screen.
libraries="libegl1 libglib2.0-0 libdbus-1-3 libfontconfig1 libxkbcommon-x11-0 libxcb-cursor0
libxcb-icccm4 libxcb-keysyms1 libxcb-shape0"
if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    wanted="$libraries libgl1"
else
    wanted="$libraries xvfb xauth"
fi

installed() {
    # Newer releases rename some libraries (libglib2.0-0t64); these still provide the old name.
    printf '%s\n' "$there" | grep -Eq "(^installed |[ ,])$1(t64)?([ ,(]|\$)"
}

system_packages() {
    command -v dpkg-query >/dev/null 2>&1 || return 0
    command -v apt-get >/dev/null 2>&1 || return 0
    there=$(dpkg-query -W -f '${db:Status-Status} ${Package} ${Provides}\n' 2>/dev/null |
        grep '^installed ' || true)
    missing=
    for package in $wanted; do
        installed "$package" || missing="$missing $package"
    done
    if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 && ! command -v uv >/dev/null 2>&1; then
        missing="$missing python3-venv"
    fi
    [ -n "$missing" ] || return 0
    say "Missing system packages:$missing"
    if [ "$(id -u)" -eq 0 ]; then
        as_root=
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root=sudo
    else
        say "Without administrator rights they cannot be installed from here. Please run this line once:"
        say "    sudo apt-get update && sudo apt-get install -y --no-install-recommends$missing"
        return 0
    fi
    # shellcheck disable=SC2086  # a list of package names
    if ! { $as_root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $as_root apt-get install \
        -y -qq --no-install-recommends $missing; } >&2; then
        say "The system packages could not be installed. Please run this line once:"
        say "    sudo apt-get update && sudo apt-get install -y --no-install-recommends$missing"
    fi
}

# --- uv ---------------------------------------------------------------------------------------
find_uv() {
    if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then
        uv=uv
        return
    fi
    uv="$root/.uv/bin/uv"
    [ -x "$uv" ] && return
    if ! "$python" -m venv .uv >&2; then
        rm -rf .uv
        say "Python's venv module is missing. Please run this line once and start again:"
        say "    sudo apt-get install -y python3-venv"
        exit 1
    fi
    .uv/bin/python -m pip install --quiet uv >&2
}

# --- Environment ------------------------------------------------------------------------------
stamp="$venv/.napari-haiku-installed"
if [ -f "$stamp" ] && [ -z "$(find pyproject.toml constraints.txt scripts/setup.sh -newer "$stamp")" ]; then
    exit 0
fi
# constraints.txt is checked on 3.11 to 3.13; a newer Python is taken where there is no other.
python=
for limit in 14 99; do
    for name in python3 python3.13 python3.12 python3.11; do
        if [ -z "$python" ] && "$name" -c "
import sys
sys.exit(not (3, 11) <= sys.version_info < (3, $limit))" 2>/dev/null; then
            python=$("$name" -c 'import sys; print(sys.executable)')
        fi
    done
done
if [ -z "$python" ]; then
    say "Python 3.11 or newer is needed; python3 here is $(python3 --version 2>&1 || true)."
    exit 1
fi
system_packages
find_uv
if [ ! -x "$venv/bin/python" ]; then
    say "Making the environment $venv ..."
    "$uv" venv --quiet --python "$python" "$venv"
fi
say "Installing napari-haiku (the first time this downloads about 3 GB) ..."
"$uv" pip install --quiet --python "$venv/bin/python" --constraints constraints.txt --editable ".[all,test,docs]"
touch "$stamp"
say "Ready: $venv/bin/napari-haiku"
