#!/bin/bash
# Installing the deb: on a clean host, in an image, against policies, with a broken configuration, with
# /opt read-only, with dpkg's lock held.
. ./lib.sh

ok 'systemd is process 1' '[ "$(systemctl is-system-running --wait)" = running ]'

# No file of it, and dpkg has no half-done state.
untouched() { [[ "$(dpkg-query -W -f '${db:Status-Status}' codedeploy-host-agent 2>/dev/null)" =~ ^(not-installed)?$ ]] && [ -z "$(dpkg --audit)" ] && ! systemctl cat $unit >/dev/null 2>&1 && [ ! -e /opt/codedeploy-agent/bin ] && [ ! -e /var/lib/codedeploy-host-agent ]; }
ok 'a clean host' untouched

began=${EPOCHREALTIME/./}
ok 'apt installs the package' 'install "./$first"'
ok 'the agent runs and is enabled' 'eventually active && enabled'
echo "     apt install took, until the agent ran, $(((${EPOCHREALTIME/./} - began) / 1000)) ms (performance.md: 5000)"
ok 'no network: the agent waits for it, and its status says for what' 'says "finding out who this host is"'
ok 'the unit is without fault' 'unit_is_sound'
ok 'links' '[ "$(codedeploy-agent --version)" = "$(/opt/codedeploy-agent/bin/codedeploy-agent --version)" ] && codedeploy-local --help | grep -q bundle-location'
ok 'service codedeploy-agent status' 'service codedeploy-agent status >/dev/null && codedeploy-agent status | grep -q "running as PID $(property MainPID)$"'
ok 'the shipped configuration is in place' 'grep -qx "wait_between_runs: 1" $configuration && [ "$(stat -c %a:%U $configuration)" = 644:root ]'
ok 'and can be used' 'codedeploy-agent config check >/dev/null'
ok 'the log is where it was with AWS'"'"'s agent' 'grep -q "INFO" /var/log/aws/codedeploy-agent/codedeploy-agent.log'
ok 'limits of the service' '[ "$(property LimitNOFILE):$(property TasksMax):$(property KillMode):$(property OOMPolicy)" = 65536:infinity:process:continue ]'

aws_start
use_aws
ok 'restart' 'systemctl restart $unit'
ok 'the first poll' 'eventually polls && eventually "aws_said PollHostCommand"'
ok 'the journal has its lines' 'journalctl --unit $unit --output cat | grep -q "agent .* started"'

: >>$configuration
dpkg --purge codedeploy-host-agent >/dev/null 2>&1

# --- a broken configuration ---
mkdir -p ${configuration%/*}
echo 'max_revisions: 0' >$configuration
ok 'installs with a broken configuration' 'install "./$first"'
ok 'the service has failed and is not tried again' '[ "$(property ActiveState):$(property ExecMainStatus):$(property NRestarts)" = failed:78:0 ]'
ok 'its status tells why' 'says max_revisions && systemctl status --no-pager --full $unit | grep -q "Status:.*max_revisions"'
ok 'the configuration is untouched' '[ "$(cat $configuration)" = "max_revisions: 0" ]'
echo 'max_revisions: 3' >$configuration
ok 'mended, it starts' 'systemctl start $unit && active'
ok 'a purge leaves a configuration that was not the package'"'"'s' 'dpkg --purge codedeploy-host-agent >/dev/null 2>&1 && [ "$(cat $configuration)" = "max_revisions: 3" ]'
rm -r /etc/codedeploy-agent

# --- an image build: no running systemd ---
mkdir -p /mnt/image
mount --bind / /mnt/image
mount --bind /machine /mnt/image/machine
ok 'installs where systemd does not run' 'chroot /mnt/image dpkg -i "/machine/in/$first" >/dev/null 2>&1'
ok 'enabled for the first boot, not started' 'systemctl daemon-reload && enabled && ! active'
ok 'is removed there, too' 'chroot /mnt/image dpkg --purge codedeploy-host-agent >/dev/null 2>&1 && ! enabled 2>/dev/null'
umount /mnt/image/machine /mnt/image

# --- policies of the host ---
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
ok 'policy-rc.d: installed, enabled, not started' 'install "./$first" && enabled && ! active'
rm /usr/sbin/policy-rc.d
dpkg --purge codedeploy-host-agent >/dev/null 2>&1
mkdir -p /etc/systemd/system-preset
echo 'disable *' >/etc/systemd/system-preset/00-local.preset
ok 'a preset: neither enabled nor started' 'install "./$first" && ! enabled && ! active'
rm /etc/systemd/system-preset/00-local.preset
ok 'a disabled agent stays so on upgrade' 'install "./$second" && ! enabled && ! active'
dpkg --purge codedeploy-host-agent >/dev/null 2>&1
systemctl mask --quiet $unit
ok 'masked: installed, not started' 'install "./$first" && ! active'
systemctl unmask --quiet $unit
dpkg --purge codedeploy-host-agent >/dev/null 2>&1

# --- /opt read-only ---
mkdir -p /opt
mount --bind /opt /opt
mount -o remount,ro,bind /opt
ok 'read-only /opt: not installed, and told why' '! install "./$first" && grep -q "/opt.* cannot be written (read-only file system?)" /machine/out/apt.log'
ok 'and nothing is half done' untouched
mount -o remount,rw,bind /opt
ok 'writable again: installed' 'install "./$first" && active'
# The agent has files open there: another mount over it.
mount --bind /opt /opt
mount -o remount,ro,bind /opt
pid=$(property MainPID)
ok 'read-only at an upgrade: the old one stays, and runs' '! install "./$second" && dpkg-query -W -f "\${Status} \${Version}" codedeploy-host-agent | grep -q "^install ok installed .*-1$" && [ -z "$(dpkg --audit)" ] && active && [ "$(property MainPID)" = $pid ]'
systemctl stop $unit
systemctl start $unit 2>/dev/null
ok 'read-only /opt at start: the status tells why' 'eventually "says \"Read-only file system\""'
umount /opt
ok 'it is tried again and comes up' 'eventually active'
systemctl stop $unit
umount /opt
dpkg --purge codedeploy-host-agent >/dev/null 2>&1

# --- dpkg's lock held, as cloud-init and unattended-upgrades do at boot ---
mkfifo /run/held /run/free
python3 -c 'import fcntl
lock = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
open("/run/held", "w").close()
open("/run/free").close()' &
: </run/held
ok 'lock held: refused at once without a timeout' '! apt-get install -y -o DPkg::Lock::Timeout=0 "./$first" >/run/refused.log 2>&1 </dev/null'
ok 'apt tells why, and which process has it' 'grep -q "Could not get lock /var/lib/dpkg/lock-frontend. It is held by process $!" /run/refused.log'
ok 'and nothing is half done' untouched
apt-get install -y -o DPkg::Lock::Timeout=120 "./$first" >/run/waiting.log 2>&1 </dev/null &
waiting=$!
ok 'it waits for the lock' 'eventually "grep -q Waiting /run/waiting.log"'
: >/run/free
ok 'and then installs' 'wait $waiting && active'
done_testing
