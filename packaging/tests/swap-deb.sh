#!/bin/bash
# From AWS's agent to ours and back, on one deployment-root, with its packages on Debian.
. ./lib.sh
. ./aws-agent.sh
quietly() { "$@" >>/machine/out/apt.log 2>&1; }
aws_deb 1.7.0-92
theirs=./codedeploy-agent_1.7.0-92_all.deb

aws_start
ok 'AWS'"'"'s agent is installed and runs' 'install $theirs && aws_runs && [ "$(property SourcePath)" = /etc/init.d/codedeploy-agent ]'
use_aws
echo 'region: us-east-1' >/etc/codedeploy-agent/conf/codedeploy.onpremises.yml.off
before=$(sha256sum $configuration)
aws_has_deployed
find $root -type f -exec sha256sum {} + >/run/records
pid=$(aws_pid)

ok 'ours replaces it, without a question' 'install "./$first"'
ok 'its package is gone, its process is gone, its service name is ours' '! dpkg-query -W -f "\${Status}" codedeploy-agent 2>/dev/null | grep -q " installed" && ! kill -0 $pid 2>/dev/null && enabled && ours_runs && [ "$(property FragmentPath)" = /lib/systemd/system/codedeploy-agent.service ]'
ok 'nothing of its programs is left' '[ ! -e /etc/init.d/codedeploy-agent ] && [ ! -e /etc/init.d/codedeploy-agent.service ] && [ "$(ls /opt/codedeploy-agent)" = "$(printf "%s\n" bin deployment-root state)" ]'
# The machine leaves out manual pages and the like.
ok 'our files are as they were packed' '! dpkg --verify codedeploy-host-agent | grep -v " /usr/share/"'
ok 'the configuration is the one that was there' '[ "$(sha256sum $configuration)" = "$before" ] && grep -qx -- ":max_revisions: 5" $configuration'
ok 'the package that was replaced can be purged' 'quietly dpkg --purge codedeploy-agent'
ok 'the configuration is there all the same' '[ "$(sha256sum $configuration)" = "$before" ]'
ok 'and the deployments' 'sha256sum --check --quiet /run/records'
ok 'and what else was beside it' '[ -e /etc/codedeploy-agent/conf/codedeploy.onpremises.yml.off ]'
ok 'and the agent' 'systemctl restart $unit && enabled && ours_runs && eventually polls'

bundle /run/new <<'END'
ApplicationStop echo stopped by d-NEW >>/run/stopped
END
ok 'the first deployment' 'deploy d-NEW /run/new && deployed new'
ok 'ran ApplicationStop from the old archive' '[ "$(cat /run/stopped)" = "stopped by d-OLD" ]'
ok 'removed what only the old revision had' '[ ! -e /srv/app/only-in-old ]'

# --- and back ---
ok 'AWS'"'"'s agent replaces ours' 'install -o Dpkg::Options::=--force-confold $theirs'
ok 'it runs' 'aws_runs && ! pgrep -x agent >/dev/null'
ok 'with the configuration that was there' '[ "$(sha256sum $configuration)" = "$before" ]'
ok 'ours can be purged and leaves it alone' 'quietly dpkg --purge codedeploy-host-agent && aws_runs && [ "$(sha256sum $configuration)" = "$before" ]'
ok 'its next deployment finds our records' '/opt/codedeploy-agent/bin/codedeploy-agent clean-up && grep -qx "stopped by d-NEW" /run/stopped && [ ! -e /srv/app/version ]'

# --- and to ours once more; the other is removed at leisure, not replaced ---
ok 'AWS'"'"'s agent is removed' 'quietly apt-get remove -y codedeploy-agent && ! active'
ok 'ours is installed where its configuration was left' 'install "./$second" && enabled && ours_runs && eventually polls && [ "$(sha256sum $configuration)" = "$before" ]'
echo 'max_revisions: 4' >>$configuration
before=$(sha256sum $configuration)
ok 'a purge leaves the configuration, with what was changed in it since' 'quietly dpkg --purge codedeploy-agent && [ "$(sha256sum $configuration)" = "$before" ] && enabled && ours_runs'
ok 'and it stays through an upgrade and its own removal' 'install --reinstall "./$second" && quietly apt-get remove -y codedeploy-host-agent && [ "$(sha256sum $configuration)" = "$before" ] && [ -d $root/group-1/d-NEW ]'
done_testing
