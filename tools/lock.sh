#!/usr/bin/env bash
# lock.sh write|check: compile requirements*.in; check compiles against the lock and fails when it differs.
set -eu
mode="$1"
compile() { # name, more options
  "$UV" pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url \
    --custom-compile-command "make lock" "${@:2}" "$1.in" -o "$target/$1.txt"
}
target=.
if [ "$mode" = check ]; then
  target="$(mktemp -d)"
  trap 'rm -rf "$target"' EXIT
  cp requirements.txt requirements-core.txt requirements-dev.txt "$target/"
fi
# the three locks agree: core and dev take the versions of the main one
compile requirements
compile requirements-core -c "$target/requirements.txt"
compile requirements-dev -c "$target/requirements.txt"
if [ "$mode" = check ]; then
  for name in requirements requirements-core requirements-dev; do
    # comments name where a pin comes from, with paths: only the pins and hashes count
    diff -q <(grep -v '^ *#' "$name.txt") <(grep -v '^ *#' "$target/$name.txt") >/dev/null ||
      { echo "$name.txt does not fit its .in file; run make lock and commit it." >&2; exit 1; }
  done
  echo "The locks fit."
fi
