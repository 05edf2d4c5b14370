# Stand-ins for the packages of AWS's agent (version 1), and instead of the agent a program that holds its
# lock and deploys by the records of the deployment-root as AWS's agent does. Names, files and what the
# scriptlets do are those of AWS's packages as far as they are known in public: AWS makes them elsewhere
# than in its repository.
#
#   deb  /etc/init.d has the script and, beside it, the unit, which is of no use there: systemd generates a
#        unit from the script. The configuration is the one conffile. Files of old ones belong to a number
#        without an account (2450:100).
#   rpm  the same, but the unit is in its place.
#   old  up to 1.0-1.1597: starts the agent through `service ... start-no-update`, of which systemd knows
#        nothing, and puts a file for cron there that belongs to no package.
#
# Sourced by the tests of swapping.

# shellcheck shell=bash

aws_root() { # aws_root DIRECTORY: what both packages hold
  local opt=$1/opt/codedeploy-agent
  mkdir -p "$opt/bin" "$opt/certs" "$opt/lib" "$opt/vendor/gems/process_manager-0.0.13" \
    "$1/etc/init.d" "$1/etc/codedeploy-agent/conf"
  echo 'The process that the agent becomes.' >"$opt/vendor/gems/process_manager-0.0.13/README"
  echo 'none' >"$opt/certs/host-agent-deployment-signer-ca-chain.pem"
  printf 'agent_version: OFFICIAL_1.7.0-92\n' >"$opt/.version"
  cat >"$opt/bin/codedeploy-agent" <<'AGENT'
#!/bin/bash
pid_directory=/opt/codedeploy-agent/state/.pid
pid_file=$pid_directory/codedeploy-agent.pid
instructions=/opt/codedeploy-agent/deployment-root/deployment-instructions
running() { pid=$(cat $pid_file 2>/dev/null) && [[ $(ps -p "$pid" -o command=) == 'codedeploy-agent: master'* ]]; }
case $1 in
start)
  running && exit 0
  mkdir -p $pid_directory
  setsid --fork bash /opt/codedeploy-agent/lib/codedeploy-agent.rb </dev/null >/dev/null 2>&1
  for _ in $(seq 100); do running && exit 0; sleep 0.1; done
  exit 1
  ;;
stop)
  running || exit 0
  kill "$pid"
  while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
  ;;
status)
  running || { echo 'error: No AWS CodeDeploy agent running' >&2; exit 1; }
  echo "The AWS CodeDeploy agent is running as PID $pid"
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
  cat >"$opt/lib/codedeploy-agent.rb" <<'MASTER'
[ "$1" = master ] || exec -a "codedeploy-agent: master $$" bash "$0" master
pid_file=/opt/codedeploy-agent/state/.pid/codedeploy-agent.pid
exec 9>$pid_file.lock
flock -n 9 || exit 1
echo $$ >$pid_file
trap 'kill $!; rm -f $pid_file; exit 0' TERM
while :; do sleep infinity 9>&- & wait $!; done
MASTER
  cat >"$opt/bin/install" <<'INSTALL'
#!/bin/sh
echo "$0 $*" >>/run/aws-updates
INSTALL
  cp "$opt/bin/install" "$opt/bin/update"
  chmod 755 "$opt"/bin/*
  ln -s codedeploy-agent "$opt/bin/codedeploy-local"
  cat >"$1/etc/init.d/codedeploy-agent" <<'INIT'
#!/bin/bash
### BEGIN INIT INFO
# Provides:          codedeploy-agent
# Required-Start:    $all
# Required-Stop:     $remote_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: AWS CodeDeploy Host Agent
### END INIT INFO
case $1 in
start-no-update) set -- start ;;
restart | force-reload) "$0" stop; set -- start ;;
esac
exec /opt/codedeploy-agent/bin/codedeploy-agent "$@"
INIT
  chmod 755 "$1/etc/init.d/codedeploy-agent"
  cat >"$1/etc/init.d/codedeploy-agent.service" <<'UNIT'
[Unit]
Description=AWS CodeDeploy Host Agent
[Service]
Type=forking
ExecStart=/bin/bash -a -c '[ -f /etc/profile ] && source /etc/profile; /opt/codedeploy-agent/bin/codedeploy-agent start'
ExecStop=/opt/codedeploy-agent/bin/codedeploy-agent stop
RemainAfterExit=no
Restart=on-failure
[Install]
WantedBy=multi-user.target
UNIT
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
:disable_imds_v1: false
CONFIGURATION
}

# aws_deb VERSION [old]: makes codedeploy-agent_VERSION_all.deb
aws_deb() {
  local made=/run/aws-deb-$1
  aws_root "$made"
  mkdir "$made/DEBIAN"
  printf '%s\n' 'Package: codedeploy-agent' "Version: $1" 'Architecture: all' \
    'Maintainer: nobody <nobody@example.com>' 'Description: stand-in' >"$made/DEBIAN/control"
  echo /etc/codedeploy-agent/conf/codedeployagent.yml >"$made/DEBIAN/conffiles"
  cat >"$made/DEBIAN/preinst" <<'END'
#!/bin/bash
[ "$1" != upgrade ] || service codedeploy-agent stop
exit 0
END
  if [ "${2:-}" = old ]; then
    cat >"$made/DEBIAN/postinst" <<'END'
#!/bin/bash
[ "$1" = configure ] || exit 0
echo '@reboot root /bin/sleep 45; /opt/codedeploy-agent/bin/update --sanity-check deb' >/etc/cron.d/codedeploy-agent-update
# As `service` does with a command that systemd does not have.
/etc/init.d/codedeploy-agent start-no-update
END
    mkdir -p /etc/cron.d
    chown -R 2450:100 "$made/opt" "$made/etc"
  else
    cat >"$made/DEBIAN/postinst" <<'END'
#!/bin/bash
if [ "$1" = configure ]; then
    systemctl daemon-reload
    systemctl enable codedeploy-agent
    systemctl start codedeploy-agent
fi
END
  fi
  cat >"$made/DEBIAN/prerm" <<'END'
#!/bin/bash
service codedeploy-agent stop
exit 0
END
  cat >"$made/DEBIAN/postrm" <<'END'
#!/bin/bash
case $1 in
remove) systemctl daemon-reload ;;
purge) update-rc.d codedeploy-agent remove ;;
esac
END
  chmod 755 "$made"/DEBIAN/p*
  dpkg-deb --build "$made" "codedeploy-agent_$1_all.deb" >/dev/null
}

# aws_rpm VERSION CONFIG: makes an rpm and says where; CONFIG is what %files says of the configuration
# (%config(noreplace) or nothing: it is not known).
aws_rpm() {
  local made=/run/aws-rpm-$1
  aws_root "$made"
  mkdir -p "$made/usr/lib/systemd/system"
  mv "$made/etc/init.d/codedeploy-agent.service" "$made/usr/lib/systemd/system/"
  cat >"$made.spec" <<SPEC
Name: codedeploy-agent
Version: $1
Release: 92
Summary: stand-in
License: Apache-2.0
BuildArch: noarch
AutoReqProv: no
%global __os_install_post %{nil}
%description
A stand-in.
%install
mkdir -p %{buildroot}
cp -a $made/. %{buildroot}/
%files
$2 /etc/codedeploy-agent/conf/codedeployagent.yml
/etc/init.d/codedeploy-agent
/usr/lib/systemd/system/codedeploy-agent.service
/opt/codedeploy-agent
%pre
if pgrep -f "^codedeploy-agent: master" >/dev/null && [ "\$1" = 1 ]; then
  echo 'a process named codedeploy-agent is running' >&2
  exit 1
fi
%post
systemctl daemon-reload
if [ "\$1" = 1 ]; then
  systemctl enable codedeploy-agent.service
  systemctl start codedeploy-agent.service
fi
%preun
if [ "\$1" = 0 ]; then
  systemctl stop codedeploy-agent.service
  systemctl disable codedeploy-agent.service
fi
%postun
systemctl daemon-reload
SPEC
  rpmbuild -bb --quiet --define '_topdir /run/rpmbuild' "$made.spec" >>/machine/out/rpmbuild.log 2>&1
  ls /run/rpmbuild/RPMS/noarch/codedeploy-agent-"$1"-*.rpm
}
aws_pid() { cat /opt/codedeploy-agent/state/.pid/codedeploy-agent.pid; }
aws_process_lives() { [[ $(ps -p "$(aws_pid)" -o command=) == 'codedeploy-agent: master'* ]]; }
aws_runs() { active && aws_process_lives && grep -qx "$(aws_pid)" /sys/fs/cgroup/system.slice/$unit.service/cgroup.procs; }

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
