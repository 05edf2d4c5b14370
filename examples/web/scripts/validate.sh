#!/bin/sh
# Succeeds when the page is served. The AppSpec's timeout ends it otherwise.
set -eu
. "$(dirname "$0")/settings.sh"
url=http://127.0.0.1:$port/index.html
get() {
  if command -v curl >/dev/null; then
    curl -fsS --noproxy '*' "$url"
  elif command -v wget >/dev/null; then
    wget -qO- --no-proxy "$url"
  else
    python3 -c 'import sys, urllib.request as r
print(r.build_opener(r.ProxyHandler({})).open(sys.argv[1]).read().decode())' "$url"
  fi
}
until page=$(get 2>&1); do
  if ! kill -0 "$(cat "$pid_file")" 2>/dev/null; then
    echo "the server has ended:" >&2
    cat "$root/server.log" >&2
    exit 1
  fi
  sleep 0.2
done
echo "$page" | grep -q "<title>" && echo "$url answers with the page"
