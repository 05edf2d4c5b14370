#!/bin/sh
# Starts the server and leaves it running. Its output goes to a file of its own: a process that
# keeps the hook's output open would keep the hook from ending.
set -eu
. "$(dirname "$0")/settings.sh"
nohup "$root/bin/serve.sh" "$root/html" "$port" >"$root/server.log" 2>&1 </dev/null &
echo $! >"$pid_file"
echo "serving $root/html at http://127.0.0.1:$port/ as process $(cat "$pid_file")"
