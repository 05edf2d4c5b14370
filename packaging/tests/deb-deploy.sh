#!/bin/bash
# The life of an installed agent: a deployment, restart, watchdog, upgrade in the middle of a hook,
# restrictions, removal, purge.
. ./lib.sh

aws_start
ok 'install' 'install "./$first"'
use_aws
before=$(sha256sum $configuration)
ok 'polls' 'systemctl restart $unit && eventually polls'

# --- a whole deployment ---
bundle /run/one <<END
BeforeInstall id -un >/run/one.user
ApplicationStart $daemon
ValidateService grep -qx one /srv/app/version
END
ok 'a whole deployment' 'deploy d-ONE /run/one'
ok 'its files are there' 'deployed one'
ok 'hooks ran as root' '[ "$(cat /run/one.user)" = root ]'
ok 'the daemon that a hook started lives' 'daemon_lives'
ok 'in the control group of the service' 'grep -qx "$(cat /run/app.pid)" /sys/fs/cgroup/system.slice/$unit.service/cgroup.procs'
ok 'the output of the scripts is kept' 'grep -q "ValidateService of one" $root/group-1/d-ONE/logs/scripts.log'
ok 'the journal tells of the deployment' 'journalctl --unit $unit --output cat | grep -q d-ONE'

# --- restart, watchdog, crash ---
pid=$(property MainPID)
ok 'restart' 'systemctl restart $unit && active && [ "$(property MainPID)" != $pid ]'
ok 'the daemon lives on' 'daemon_lives'
mkdir -p /etc/systemd/system/$unit.service.d
printf '[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\nRestartSec=100ms\n' >/etc/systemd/system/$unit.service.d/quick.conf
systemctl daemon-reload
systemctl restart $unit
ok 'it feeds the watchdog' 'eventually polls && [ "$(property WatchdogUSec)" = 2s ]'
pid=$(property MainPID)
kill -STOP "$pid"
ok 'the watchdog ends an agent that hangs' 'eventually "journalctl --unit $unit | grep -q \"Watchdog timeout\""'
ok 'and systemd starts another' 'eventually "active && [ \"\$(property MainPID)\" != $pid ]" && eventually polls'
pid=$(property MainPID)
kill -KILL "$pid"
ok 'as it does when it was killed' 'eventually "active && [ \"\$(property MainPID)\" != $pid ]" && eventually polls'
ok 'the daemon lives on' 'daemon_lives'
rm /etc/systemd/system/$unit.service.d/quick.conf
systemctl daemon-reload

# --- an upgrade in the middle of a hook ---
mkfifo /run/go
bundle /run/two <<END
ApplicationStop kill "\$(cat /run/app.pid)" && rm /run/app.pid
AfterInstall echo started >>/run/two.runs; read -r _ </run/go; echo "still here"
ApplicationStart $daemon
END
aws deploy d-TWO /run/two
ok 'a hook is at work' 'eventually "[ -s /run/two.runs ]"'
hook=$(pgrep -f hooks/AfterInstall | tail -n 1)
pid=$(property MainPID)
ok 'the upgrade goes through' 'install "./$second"'
ok 'another agent runs' 'active && [ "$(property MainPID)" != $pid ] && dpkg-query -W -f "\${Version}" codedeploy-host-agent | grep -q -- -2$'
ok 'the hook goes on' 'kill -0 $hook'
ok 'the configuration is as it was' '[ "$(sha256sum $configuration)" = "$before" ]'
echo >/run/go
ok 'the deployment succeeds' 'eventually "aws_said \"deployment d-TWO (succeeded|failed)\"" && aws_said "deployment d-TWO succeeded" && deployed two'
ok 'the hook ran once, and its result is its own' '[ "$(wc -l </run/two.runs)" = 1 ] && grep -q "still here" $root/group-1/d-TWO/logs/scripts.log'
ok 'its result was reported once' '[ "$(grep -c "PutHostCommandComplete .*-AfterInstall Succeeded" /run/aws.log)" = 1 ]'

# --- stopped by hand ---
ok 'stop --wait' 'codedeploy-agent stop --wait && [ "$(property ActiveState):$(property Result)" = inactive:success ]'
ok 'start' 'codedeploy-agent start && active && eventually polls'
ok 'stop' 'codedeploy-agent stop && ! active'
ok 'a stopped agent stays so on upgrade' 'install --reinstall "./$second" && ! active && enabled'
ok 'start' 'codedeploy-agent start && active'
ok 'the daemon lives on' 'daemon_lives'

# --- the examples of restrictions ---
cp /usr/share/codedeploy-host-agent/examples/hardening.conf /etc/systemd/system/$unit.service.d/
systemctl daemon-reload
ok 'the restrictions are understood' 'unit_is_sound'
bundle /run/three <<END
ApplicationStop kill "\$(cat /run/app.pid)" && rm /run/app.pid
BeforeInstall su -s /bin/sh -c id nobody && useradd --create-home made-by-a-hook && systemctl daemon-reload
ApplicationStart $daemon
END
ok 'and an ordinary deployment works under them' 'systemctl restart $unit && deploy d-THREE /run/three && deployed three'
rm /etc/systemd/system/$unit.service.d/hardening.conf

# --- as another user ---
# The commands are those that the example tells.
sed -n 's/^#   //p' /usr/share/codedeploy-host-agent/examples/user.conf >/run/user.sh
cp /usr/share/codedeploy-host-agent/examples/user.conf /etc/systemd/system/$unit.service.d/
ok 'as another user' 'bash -e /run/user.sh && active && [ "$(ps -o user= -p "$(property MainPID)")" = codedep+ -o "$(ps -o user:20= -p "$(property MainPID)")" = codedeploy ]'
ok 'it polls' 'eventually polls'
rm /etc/systemd/system/$unit.service.d/user.conf
systemctl daemon-reload
chown -R root: $root /opt/codedeploy-agent/state /var/log/aws/codedeploy-agent
ok 'and as root again' 'systemctl restart $unit && eventually polls'

# --- removal and purge ---
ok 'removal' 'apt-get remove -y codedeploy-host-agent >>/machine/out/apt.log 2>&1'
ok 'nothing of the service is left' '! active && ! systemctl cat $unit >/dev/null 2>&1 && [ ! -e /etc/systemd/system/multi-user.target.wants/$unit.service ] && ! pgrep -x agent >/dev/null'
ok 'configuration, deployments and daemons are left' '[ "$(sha256sum $configuration)" = "$before" ] && [ -d $root/group-1/d-THREE ] && daemon_lives'
ok 'installed again: enabled and started, with the same configuration' 'install "./$first" && active && enabled && [ "$(sha256sum $configuration)" = "$before" ]'
echo 'region: us-east-1' >/etc/codedeploy-agent/conf/codedeploy.onpremises.yml
ok 'purge' 'apt-get purge -y codedeploy-host-agent >>/machine/out/apt.log 2>&1 && ! active'
ok 'what the package made is gone' '[ ! -e $configuration ] && [ ! -e /var/log/aws ] && [ ! -e /opt/codedeploy-agent/state ] && [ ! -e /var/lib/codedeploy-host-agent ]'
ok 'what is the users'"'"' is not' '[ -d $root/group-1/d-THREE ] && [ -e /etc/codedeploy-agent/conf/codedeploy.onpremises.yml ] && deployed three && daemon_lives'
install "./$first"
ok 'a purge that is told to takes the deployments'"'"' records' 'CODEDEPLOY_PURGE_DEPLOYMENTS=yes apt-get purge -y codedeploy-host-agent >>/machine/out/apt.log 2>&1 && [ ! -e /opt/codedeploy-agent ] && deployed three'
done_testing
