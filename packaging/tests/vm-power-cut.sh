#!/bin/bash
# The power goes while Install puts files in their places. They and the agent's records are on a disk with a
# journal, as they are on hosts; the machine's own disk has none.
. ./lib.sh
# In a container it would be the host that is reset.
[ ! -d /machine/host ] || { echo 'not in a container'; exit 1; }
files=1500

data_bundle() {
  local number version=${1##*/}
  mkdir -p "$1/content"
  for ((number = 1; number <= files; number++)); do echo "$version $number" >"$1/content/$number"; done
  printf 'version: 0.0\nos: linux\nfiles:\n  - source: content\n    destination: /data/app\n' >"$1/appspec.yml"
}
versions() { cut -d' ' -f1 /data/app/* | sort | uniq -c; }

if [ "$MACHINE_BOOT" = 1 ]; then
  mke2fs -q -t ext4 /dev/nvme0n4
  mkdir /data
  cat >/etc/systemd/system/data.service <<'END'
[Unit]
DefaultDependencies=no
After=local-fs.target
Before=codedeploy-agent.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/mount /dev/nvme0n4 /data
[Install]
RequiredBy=codedeploy-agent.service
END
  systemctl enable --now data.service
  aws_start
  ok 'install' 'install "./$first"'
  use_aws
  echo 'root_dir: /data/deployment-root' >>$configuration
  ok 'polls' 'systemctl restart $unit && eventually polls'
  data_bundle /var/tmp/one
  data_bundle /var/tmp/two
  ok 'the first revision' 'deploy d-ONE /var/tmp/one && [ "$(ls /data/app | wc -l)" = $files ]'
  versions
  [ $bad = 0 ] || done_testing
  sync
  echo 1 >/proc/sys/kernel/sysrq
  aws deploy d-TWO /var/tmp/two
  # Without another process in between: the first file that is new.
  shopt -s nullglob
  while :; do
    for number in 1 $((files / 2)) $files; do
      if read -r version _ <"/data/app/$number" && [ "$version" = two ]; then echo b >/proc/sysrq-trigger; fi
    done
  done 2>/dev/null
fi

versions
ok 'each file is whole, of one revision or the other' '[ "$(cat /data/app/* | wc -l)" = $files ] && ! grep -LE "^(one|two) [0-9]+$" /data/app/* | grep -q .'
# The services' fakes have forgotten the deployment; what the agent tells them is what counts.
aws_start
ok 'the agent runs' 'eventually active && eventually polls'
ok 'it reports how Install ended' 'eventually "aws_said \"PutHostCommandComplete .*-Install (Succeeded 0|Failed)\""'
grep 'PutHostCommandComplete' /run/aws.log
versions
ok 'all files are of one revision' '[ "$(versions | wc -l)" = 1 ] && [ "$(ls -A /data/app | wc -l)" = $files ]'
ok 'nothing is left of the staging' '[ -z "$(find /data -name "*-install" -o -name ".*stag*")" ]'
data_bundle /var/tmp/three
ok 'and deploys again' 'deploy d-THREE /var/tmp/three && versions && [ "$(versions | awk "{print \$2}")" = three ]'
done_testing
