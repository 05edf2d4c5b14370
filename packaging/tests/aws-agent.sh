# Stand-ins for the packages of AWS's agent: the same names, files and habits, and instead of the agent a
# program that holds its lock and deploys by the records of the deployment-root as AWS's agent does.
# Sourced by the tests of swapping.

# shellcheck shell=bash

aws_root() { # aws_root DIRECTORY UNIT-DIRECTORY
  mkdir -p "$1/opt/codedeploy-agent/bin" "$1/etc/init.d" "$1/etc/codedeploy-agent/conf" "$1$2"
  cat >"$1/opt/codedeploy-agent/bin/codedeploy-agent" <<'AGENT'
#!/bin/bash
root=/opt/codedeploy-agent/deployment-root instructions=/opt/codedeploy-agent/deployment-root/deployment-instructions
case $1 in
start)
  mkdir -p /opt/codedeploy-agent/state/.pid
  exec 9>/opt/codedeploy-agent/state/.pid/codedeploy-agent.pid.lock
  flock -n 9 || exit 1
  echo $$ >/opt/codedeploy-agent/state/.pid/codedeploy-agent.pid
  exec sleep infinity
  ;;
# What a deployment does first: ApplicationStop of the last successful revision, then what it installed goes.
clean-up)
  last=$(cat $instructions/group-1_last_successful_install)
  script=$(sed -n '/ApplicationStop/,/location/s/.*location: *//p' "$last/deployment-archive/appspec.yml")
  "$last/deployment-archive/$script" || exit 1
  tac $instructions/group-1-cleanup | while read -r path; do
    if [ -d "$path" ] && [ ! -L "$path" ]; then rmdir "$path" 2>/dev/null; else rm -f "$path"; fi
  done
  ;;
esac
AGENT
  chmod 755 "$1/opt/codedeploy-agent/bin/codedeploy-agent"
  ln -s codedeploy-agent "$1/opt/codedeploy-agent/bin/codedeploy-local"
  printf 'agent_version: OFFICIAL_1.7.0-92\n' >"$1/opt/codedeploy-agent/.version"
  cat >"$1/etc/init.d/codedeploy-agent" <<'INIT'
#!/bin/sh
### BEGIN INIT INFO
# Provides:          codedeploy-agent
# Required-Start:    $local_fs $network
# Required-Stop:     $local_fs $network
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: AWS CodeDeploy Host Agent
### END INIT INFO
exec /opt/codedeploy-agent/bin/codedeploy-agent "$@"
INIT
  chmod 755 "$1/etc/init.d/codedeploy-agent"
  cat >"$1/etc/codedeploy-agent/conf/codedeployagent.yml" <<'CONFIGURATION'
---
:log_aws_wire: false
:log_dir: '/var/log/aws/codedeploy-agent/'
:pid_dir: '/opt/codedeploy-agent/state/.pid/'
:program_name: codedeploy-agent
:root_dir: '/opt/codedeploy-agent/deployment-root'
:verbose: false
:wait_between_runs: 1
:proxy_uri:
:max_revisions: 5
CONFIGURATION
  cat >"$1$2/codedeploy-agent.service" <<'UNIT'
[Unit]
Description=AWS CodeDeploy Host Agent
[Service]
ExecStart=/opt/codedeploy-agent/bin/codedeploy-agent start
[Install]
WantedBy=multi-user.target
UNIT
}

# The deployment-root of a host on which AWS's agent has deployed d-OLD.
aws_has_deployed() {
  local root=/opt/codedeploy-agent/deployment-root
  local old=$root/group-1/d-OLD instructions=$root/deployment-instructions
  mkdir -p $old/deployment-archive/hooks $old/deployment-archive/content $old/logs $instructions \
    $root/deployment-logs $root/ongoing-deployment /srv/app
  echo old | tee $old/deployment-archive/content/version >/srv/app/version
  echo old | tee $old/deployment-archive/content/only-in-old >/srv/app/only-in-old
  printf '%s\n' 'version: 0.0' 'os: linux' 'files:' '  - source: content' '    destination: /srv/app' 'hooks:' \
    '  ApplicationStop:' '    - location: hooks/stop' >$old/deployment-archive/appspec.yml
  printf '#!/bin/bash\necho stopped by d-OLD >>/run/stopped\n' >$old/deployment-archive/hooks/stop
  chmod 755 $old/deployment-archive/hooks/stop
  tar -cf $old/bundle.tar -C $old/deployment-archive .
  : >$old/logs/scripts.log
  printf '{"instructions":[{"type":"mkdir","directory":"/srv/app"},{"type":"copy","source":"%s","destination":"/srv/app/version"},{"type":"copy","source":"%s","destination":"/srv/app/only-in-old"}]}' \
    $old/deployment-archive/content/version $old/deployment-archive/content/only-in-old >$instructions/group-1-install.json
  printf '%s\n' /srv/app /srv/app/version /srv/app/only-in-old >$instructions/group-1-cleanup
  printf %s $old >$instructions/group-1_last_successful_install
  printf %s $old >$instructions/group-1_most_recent_install
}
