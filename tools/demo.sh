#!/usr/bin/env bash
# The main job from nothing: start the stack, drop the recordings, wait, show what came out.
set -eu
audio="$1"
root="$(cd "$(dirname "$0")/.." && pwd)"
cd "$root"
files=()
if [ "$audio" = samples ]; then files=(samples/*.m4a); else files=("$audio"); fi
./voiceman up
job="demo-$(date +%Y%m%d-%H%M%S)"
./voiceman submit "${files[@]}" --job "$job" --wait || failed=1
mkdir -p out
./voiceman fetch "$job" "out/$job"
echo
echo "Reports: $root/out/$job/completed"
echo "The stack stays up; stop it with ./voiceman down"
exit "${failed:-0}"
