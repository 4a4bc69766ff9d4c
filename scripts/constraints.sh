#!/bin/sh
# Renew constraints.txt: the newest versions for Python 3.11 on Linux, what Windows and macOS
# need beside them, and a check that 3.12 and 3.13 can use the same ones.
# One plain "name==version" a line, without environment markers: a constraint binds only what
# is installed anyway.
set -eu

cd "$(dirname -- "$0")/.."
export MACOSX_DEPLOYMENT_TARGET=14.0
new=$(mktemp)
trap 'rm -f "$new"' EXIT

resolve() { # PYTHON PLATFORM
    uv pip compile pyproject.toml --extra all --extra pyside --extra faiss --extra lance --extra leiden --extra cluster --extra test --extra docs \
        --constraints "$new" --python-version "$1" --python-platform "$2" --only-binary :all: --upgrade --quiet \
        --no-annotate --no-header --no-emit-index-url
}

for platform in x86_64-manylinux_2_35 windows macos; do
    found=$(resolve 3.11 "$platform")
    printf '%s\n' "$found" | cat - "$new" | LC_ALL=C sort -u -o "$new"
done
for python in 3.12 3.13; do
    for platform in x86_64-manylinux_2_35 windows macos; do
        resolve "$python" "$platform" >/dev/null
    done
done
if grep -Evq '^[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+$' "$new"; then
    echo "Some line is not name==version; constraints.txt stays as it was." >&2
    exit 1
fi
cat "$new" >constraints.txt
