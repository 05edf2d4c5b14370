#!/bin/bash
# The rpm through rpm itself, with its scriptlets, on a root with rpm's own database: install, upgrade in the
# middle of a hook, erase; from AWS's package to ours and back.
. ./lib.sh
. ./aws-agent.sh
first=$(ls codedeploy-host-agent-*-1.x86_64.rpm)
second=$(ls codedeploy-host-agent-*-2.x86_64.rpm)
# rpm knows nothing of Debian's packages, which have what is required.
rpm() { command rpm --nodeps "$@" >>/machine/out/rpm.log 2>&1; }

aws_start
ok 'rpm installs the package' 'rpm --install "$first"'
ok 'the agent runs and is enabled' 'active && enabled'
ok 'the files are as they were packed' 'rpm --verify codedeploy-host-agent'
ok 'the unit is without fault' 'unit_is_sound'
use_aws
before=$(sha256sum $configuration)
ok 'polls' 'systemctl restart $unit && eventually polls'

mkfifo /run/go
bundle /run/one <<END
AfterInstall echo started >>/run/one.runs; read -r _ </run/go
ApplicationStart $daemon
END
aws deploy d-ONE /run/one
ok 'a hook is at work' 'eventually "[ -s /run/one.runs ]"'
pid=$(property MainPID)
ok 'rpm upgrades the package' 'rpm --upgrade "$second" && command rpm -q codedeploy-host-agent | grep -q -- -2.x86_64'
ok 'another agent runs' 'active && [ "$(property MainPID)" != $pid ]'
ok 'the configuration is as it was' '[ "$(sha256sum $configuration)" = "$before" ]'
echo >/run/go
ok 'the deployment succeeds' 'eventually "aws_said \"deployment d-ONE (succeeded|failed)\"" && aws_said "deployment d-ONE succeeded" && deployed one'
ok 'the hook ran once' '[ "$(wc -l </run/one.runs)" = 1 ]'

ok 'rpm erases the package' 'rpm --erase codedeploy-host-agent'
ok 'the service is gone' '! active && ! systemctl cat $unit >/dev/null 2>&1 && ! enabled 2>/dev/null && ! pgrep -x agent >/dev/null'
ok 'deployments, daemons and the changed configuration are left' '[ -d $root/group-1/d-ONE ] && daemon_lives && grep -q 8101 $configuration.rpmsave'
mv $configuration.rpmsave $configuration

echo 'max_revisions: 0' >$configuration
ok 'installs with a broken configuration, which its status explains' 'rpm --install "$first" && systemctl status --no-pager --full $unit | grep -q max_revisions'
ok 'the configuration is untouched' '[ "$(cat $configuration)" = "max_revisions: 0" ]'
rpm --erase codedeploy-host-agent
rm -rf /etc/codedeploy-agent $root
mkdir -p /etc/systemd/system-preset
echo 'disable *' >/etc/systemd/system-preset/00-local.preset
ok 'a preset: neither enabled nor started' 'rpm --install "$first" && ! enabled && ! active'
rm /etc/systemd/system-preset/00-local.preset
ok 'a disabled agent stays so on upgrade' 'rpm --upgrade "$second" && ! enabled && ! active'
rpm --erase codedeploy-host-agent
mount --bind /opt /opt
mount -o remount,ro,bind /opt
ok 'read-only /opt: not installed, and told why' '! rpm --install "$first" && ! command rpm -q codedeploy-host-agent >/dev/null && grep -q "/opt/codedeploy-agent cannot be written\|/opt cannot be written" /machine/out/rpm.log && ! systemctl cat $unit >/dev/null 2>&1'
umount /opt

# --- from AWS's package and back ---
theirs=$(aws_rpm 1.7.0 '%config(noreplace)')
ok 'AWS'"'"'s agent is installed and runs' 'rpm --install "$theirs" && aws_runs && enabled'
use_aws
before=$(sha256sum $configuration)
rm -rf /srv/app
aws_has_deployed
pid=$(aws_pid)
ok 'ours replaces it' 'rpm --upgrade "$first" && ! command rpm -q codedeploy-agent >/dev/null'
ok 'it runs under the same service name, and the other no more' 'active && enabled && ours_runs && ! kill -0 $pid 2>/dev/null'
ok 'nothing of the other'"'"'s is left' '[ ! -e /etc/init.d/codedeploy-agent ] && [ "$(ls /opt/codedeploy-agent)" = "$(printf "%s\n" bin deployment-root state)" ]'
ok 'the files are as they were packed' 'command rpm --verify --nodeps codedeploy-host-agent | grep -v " c $configuration$" | wc -l | grep -qx 0'
ok 'with the configuration that was there' '[ "$(sha256sum $configuration)" = "$before" ] && eventually polls'
bundle /run/new <<'END'
ApplicationStop echo stopped by d-NEW >>/run/stopped
END
ok 'the first deployment' 'deploy d-NEW /run/new && deployed new'
ok 'stopped and removed the old revision' '[ "$(cat /run/stopped)" = "stopped by d-OLD" ] && [ ! -e /srv/app/only-in-old ]'
ok 'back: ours is erased, the other installed' 'rpm --erase codedeploy-host-agent && mv $configuration.rpmsave $configuration && rpm --install "$theirs" && aws_runs'
ok 'with the configuration that was there' '[ "$(sha256sum $configuration)" = "$before" ]'
ok 'its next deployment finds our records' '/opt/codedeploy-agent/bin/codedeploy-agent clean-up && grep -qx "stopped by d-NEW" /run/stopped && [ ! -e /srv/app/version ]'
rpm --erase codedeploy-agent
rm -rf /etc/codedeploy-agent

# --- the same from a package that does not mark its configuration as such ---
theirs=$(aws_rpm 1.7.1 '')
ok 'AWS'"'"'s agent, its configuration unmarked' 'rpm --install "$theirs" && aws_runs'
use_aws
before=$(sha256sum $configuration)
ok 'ours replaces it' 'rpm --upgrade "$first" && ours_runs'
ok 'and keeps what was configured' '[ "$(sha256sum $configuration)" = "$before" ] && eventually polls'
done_testing
