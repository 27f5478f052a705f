#!/usr/bin/env bash
# Install the missing apt packages when allowed to; otherwise print the one command to run.
# $APT names them, $PYTHON is the interpreter.
set -eu
missing=()
for package in $APT; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
# Debian ships Python without ensurepip, which venv needs
"$PYTHON" -c 'import ensurepip' 2>/dev/null || missing+=("python3.11-venv")
[ ${#missing[@]} -eq 0 ] && exit 0
command="apt-get install -y --no-install-recommends ${missing[*]}"
if ! command -v apt-get >/dev/null; then
  echo "This is not Debian or Ubuntu: install what these packages hold, then run again: ${missing[*]}" >&2
  exit 2
elif [ "$(id -u)" -eq 0 ]; then
  sudo=()
elif sudo -n true 2>/dev/null; then
  sudo=(sudo)
else
  echo "These system packages are missing; run this once, then run again:" >&2
  echo "  sudo apt-get update && sudo $command" >&2
  exit 2
fi
echo "Installing system packages: ${missing[*]}"
"${sudo[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${sudo[@]}" $command -qq >/dev/null
