#!/bin/bash
# A boot with a network that comes late, and an instance metadata service that comes later still.
. ./lib.sh

if [ "$MACHINE_BOOT" = 1 ]; then
  ok 'install' 'install "./$first" && active'
  use_aws
  cat >/etc/systemd/system/late-network.service <<'END'
[Unit]
DefaultDependencies=no
Before=network-online.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sleep 8
[Install]
WantedBy=network-online.target
END
  systemctl enable late-network.service
  [ $bad = 0 ] || done_testing
  sync
  systemctl reboot
  exec sleep infinity
fi

at() { systemctl show --property="$2" --value "$1"; }
ok 'the agent was started by the boot' 'eventually active'
ok 'when the network was there' '[ "$(at $unit InactiveExitTimestampMonotonic)" -ge "$(at late-network ActiveEnterTimestampMonotonic)" ] && [ "$(at late-network ActiveEnterTimestampMonotonic)" -gt 0 ]'
ok 'it waits for instance metadata' 'says "finding out who this host is"'
pid=$(property MainPID)
aws_start
ok 'and polls when that answers' 'eventually polls && [ "$(property MainPID)" = $pid ] && [ "$(property NRestarts)" = 0 ]'
done_testing
