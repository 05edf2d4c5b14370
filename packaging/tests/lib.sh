# What the tests inside the machine share. Sourced; the files of the test are in the working directory.

# shellcheck shell=bash disable=SC2034
set -u
bad=0
unit=codedeploy-agent
configuration=/etc/codedeploy-agent/conf/codedeployagent.yml
root=/opt/codedeploy-agent/deployment-root
first=$(ls codedeploy-host-agent_*-1_*.deb 2>/dev/null)
second=$(ls codedeploy-host-agent_*-2_*.deb 2>/dev/null)

ok() { # ok WHAT CONDITION
  if eval "$2"; then echo "ok   $1"; else
    echo "FAIL $1   [$2]"
    bad=$((bad + 1))
  fi
}
# Seconds; only a test that fails takes them. A virtual machine may have to do without KVM.
patience=900
pause=1
[ ! -d /machine/host ] || { patience=60 && pause=0.1; }
eventually() { # eventually CONDITION
  local end=$((SECONDS + patience))
  until eval "$1"; do
    [ $SECONDS -lt $end ] || return 1
    sleep $pause
  done
}
done_testing() {
  if [ $bad != 0 ]; then
    systemctl status --no-pager --full $unit
    journalctl --no-pager --unit $unit --lines 80
    [ ! -e /run/aws.log ] || tail -n 40 /run/aws.log
  fi
  echo "$bad failed"
  exit $((bad > 0))
}

property() { systemctl show --property="$1" --value $unit; }
active() { [ "$(property ActiveState)" = active ]; }
enabled() { systemctl is-enabled --quiet $unit; }
ours_runs() { active && [ "$(readlink /proc/"$(property MainPID)"/exe)" = /opt/codedeploy-agent/bin/agent ]; }
says() { [[ "$(property StatusText)" == *"$1"* ]]; }
polls() { says "polling in us-east-1 as arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0"; }
install() { apt-get install -y "$@" >>/machine/out/apt.log 2>&1 </dev/null; }
# The machine has no manual pages.
unit_is_sound() {
  local found
  found=$(systemd-analyze verify --man=no $unit.service 2>&1)
  [ -z "$found" ] || { echo "$found" && false; }
}

# The fakes of AWS's services, in this machine.
aws_start() {
  ip address add 169.254.169.254/32 dev lo 2>/dev/null
  [ -p /run/aws ] || mkfifo /run/aws
  ./fake-aws <>/run/aws >>/run/aws.log 2>&1 &
  eventually 'grep -qx ready /run/aws.log'
}
aws() { echo "$*" >/run/aws; }
aws_said() { grep -qE "$1" /run/aws.log; }
# The services' addresses, which the shipped configuration does not have.
use_aws() {
  printf '%s\n' 'deploy_control_endpoint: http://127.0.0.1:8101' \
    's3_endpoint_override: http://127.0.0.1:8102' >>$configuration
}

# bundle DIRECTORY: a revision with a file and hooks; what a hook is to do comes from standard input as
# lines `EVENT COMMAND`.
bundle() {
  local directory=$1 event command
  mkdir -p "$directory/content" "$directory/hooks"
  basename "$directory" >"$directory/content/version"
  printf 'version: 0.0\nos: linux\nfiles:\n  - source: content\n    destination: /srv/app\nhooks:\n' >"$directory/appspec.yml"
  while read -r event command; do
    printf '  %s:\n    - location: hooks/%s\n      timeout: 300\n' "$event" "$event" >>"$directory/appspec.yml"
    printf '#!/bin/bash\necho "%s of %s"\n%s\n' "$event" "$(basename "$directory")" "$command" >"$directory/hooks/$event"
    chmod 755 "$directory/hooks/$event"
  done
}
deploy() { # deploy ID DIRECTORY: and waits for its end
  aws deploy "$1" "$2"
  eventually "aws_said 'deployment $1 (succeeded|failed)'" && aws_said "deployment $1 succeeded"
}
deployed() { [ "$(cat /srv/app/version)" = "$1" ]; }
# A daemon such as hooks start: its own session, its output elsewhere.
# shellcheck disable=SC2016
daemon='setsid --fork sh -c "echo \$\$ >/run/app.pid; exec sleep 100000" </dev/null >/dev/null 2>&1; until [ -s /run/app.pid ]; do sleep 0.1; done'
daemon_lives() { grep -qx sleep "/proc/$(cat /run/app.pid)/comm" 2>/dev/null; }
