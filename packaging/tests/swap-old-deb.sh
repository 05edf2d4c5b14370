#!/bin/bash
# From an old package of AWS's: it has started its agent without systemd's knowledge, its files belong to a
# number without an account, and it leaves a file for cron. Two agents must never poll together.
. ./lib.sh
. ./aws-agent.sh
quietly() { "$@" >>/machine/out/apt.log 2>&1; }
owner() { stat -c %u:%g "$1"; }
aws_deb 1.0-1.1597 old

aws_start
ok 'AWS'"'"'s agent runs, and systemd does not know' 'install ./codedeploy-agent_1.0-1.1597_all.deb && aws_process_lives && ! active'
ok 'its files are nobody'"'"'s' '[ "$(owner /opt/codedeploy-agent/bin)" = 2450:100 ] && [ "$(owner $configuration)" = 2450:100 ]'
use_aws
before=$(sha256sum $configuration)
pid=$(aws_pid)
ok 'ours is installed' 'install "./$first" && enabled'
ok 'the other agent still has the lock, and the status names its process' 'kill -0 $pid && eventually "systemctl status --no-pager --full $unit | grep -q \"Status:.*another agent is running as process $pid\""'
ok 'doctor names it, too' 'codedeploy-agent doctor 2>&1 | grep -q "process $pid "'
ok 'no command was asked for meanwhile' '! aws_said PollHostCommand'
ok 'stop ends it' 'codedeploy-agent stop && ! kill -0 $pid 2>/dev/null'
ok 'start, and ours runs' 'codedeploy-agent start && ours_runs && eventually polls'
ok 'with the configuration that was there' '[ "$(sha256sum $configuration)" = "$before" ]'
for path in /opt/codedeploy-agent /opt/codedeploy-agent/bin /etc/codedeploy-agent /etc/codedeploy-agent/conf $configuration; do
  ok "$path is root's" '[ "$(owner $path)" = 0:0 ]'
done
ok 'the purge of the old package leaves all of ours' 'quietly dpkg --purge codedeploy-agent && [ "$(sha256sum $configuration)" = "$before" ] && [ "$(owner $configuration)" = 0:0 ] && enabled && ours_runs'
ok 'what cron is to call is gone' '[ ! -e "$(grep -o "/opt/[^ ]*" /etc/cron.d/codedeploy-agent-update)" ]'
done_testing
