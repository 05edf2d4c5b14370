#!/bin/sh
# Stops the server that the previous deployment has started, if it is still there.
set -eu
. "$(dirname "$0")/settings.sh"
if [ ! -f "$pid_file" ]; then
  echo "nothing to stop"
  exit 0
fi
pid=$(cat "$pid_file")
# The number may have gone to another process since: look before stopping.
is_ours() { grep -qsa "$root/html" "/proc/$pid/cmdline"; }
if is_ours; then
  kill "$pid"
  while is_ours; do sleep 0.1; done
  echo "stopped process $pid"
fi
rm -f "$pid_file" "$root/server.log"
