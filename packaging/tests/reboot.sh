#!/bin/bash
# A reboot in the middle of a hook: its result cannot be known, and the next start says so.
. ./lib.sh

if [ "$MACHINE_BOOT" = 1 ]; then
  aws_start
  ok 'install' 'install "./$first"'
  use_aws
  ok 'polls' 'systemctl restart $unit && eventually polls'

  bundle /var/tmp/one <<'END'
AfterInstall echo started >>/var/tmp/runs; sync; exec sleep infinity
END
  aws deploy d-ONE /var/tmp/one
  ok 'a hook is at work' 'eventually "[ -s /var/tmp/runs ]"'
  [ $bad = 0 ] || done_testing
  sync
  systemctl reboot
  exec sleep infinity
fi

# The services' fakes have forgotten the deployment; what the agent tells them is what counts.
aws_start
ok 'the agent runs' 'eventually active && eventually polls'
ok 'it reports code 7' 'eventually "aws_said \"PutHostCommandComplete .*AfterInstall Failed 7\""'
ok 'the hook was not run again' '[ "$(wc -l </var/tmp/runs)" = 1 ]'
bundle /var/tmp/two </dev/null
ok 'and deploys again' 'deploy d-TWO /var/tmp/two && deployed two'
done_testing
