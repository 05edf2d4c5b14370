#!/bin/sh
# Says early, and clearly, what would make the start fail later.
set -eu
for program in python3 busybox perl; do
  if command -v "$program" >/dev/null; then
    echo "the page will be served by $program"
    exit 0
  fi
done
echo "this machine has none of python3, busybox and perl to serve a page with" >&2
exit 1
