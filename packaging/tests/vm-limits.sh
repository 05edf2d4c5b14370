#!/bin/bash
# Resource limits, which only a kernel of one's own enforces.
. ./lib.sh

aws_start
ok 'install' 'install "./$first"'
use_aws
mkdir -p /etc/systemd/system/$unit.service.d
printf '[Service]\nMemoryMax=150M\nMemorySwapMax=0\n' >/etc/systemd/system/$unit.service.d/memory.conf
systemctl daemon-reload
ok 'polls' 'systemctl restart $unit && eventually polls'
pid=$(property MainPID)

bundle /run/one <<'END'
BeforeInstall ulimit -n >/run/one.files
END
ok 'a hook may open as many files as the unit says' 'deploy d-ONE /run/one && [ "$(cat /run/one.files)" = 65536 ]'

bundle /run/two <<'END'
AfterInstall python3 -c 'bytearray(400 << 20)'
END
ok 'a hook that takes too much memory fails' '! deploy d-TWO /run/two && aws_said "AfterInstall Failed"'
ok 'the kernel ended it' 'journalctl --dmesg | grep -qi "memory cgroup out of memory"'
ok 'the agent goes on' 'active && [ "$(property MainPID)" = $pid ]'

bundle /run/three <<'END'
AfterInstall for n in $(seq 600); do sleep 100000 </dev/null >/dev/null 2>&1 & done; jobs -p | wc -l >/run/three.jobs; kill $(jobs -p)
END
rm /etc/systemd/system/$unit.service.d/memory.conf
systemctl daemon-reload
ok 'the number of tasks is not limited' 'systemctl restart $unit && eventually polls && deploy d-THREE /run/three && [ "$(cat /run/three.jobs)" = 600 ]'
done_testing
