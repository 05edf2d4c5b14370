#!/bin/bash
# From AWS's agent to ours and back, on one deployment-root, with its packages on Debian.
. ./lib.sh
. ./aws-agent.sh
aws_configuration=':max_revisions: 5'

aws_package() {
  local made=/run/aws-deb
  aws_root $made /lib/systemd/system
  mkdir -p $made/DEBIAN
  printf '%s\n' 'Package: codedeploy-agent' 'Version: 1.7.0-92' 'Architecture: all' 'Maintainer: nobody <nobody@example.com>' \
    'Description: stand-in' >$made/DEBIAN/control
  printf '%s\n' /etc/codedeploy-agent/conf/codedeployagent.yml /etc/init.d/codedeploy-agent >$made/DEBIAN/conffiles
  printf '#!/bin/sh\n[ "$1" != configure ] || { systemctl daemon-reload; systemctl enable --now codedeploy-agent.service; }\n' >$made/DEBIAN/postinst
  printf '#!/bin/sh\nsystemctl stop codedeploy-agent.service\n[ "$1" = upgrade ] || systemctl disable codedeploy-agent.service\n' >$made/DEBIAN/prerm
  printf '#!/bin/sh\nsystemctl daemon-reload\n' >$made/DEBIAN/postrm
  chmod 755 $made/DEBIAN/p*
  dpkg-deb --root-owner-group --build $made codedeploy-agent_1.7.0-92_all.deb >/dev/null
}
aws_package

aws_start
ok 'AWS'"'"'s agent is installed and runs' 'install ./codedeploy-agent_1.7.0-92_all.deb && active && enabled'
use_aws
before=$(sha256sum $configuration)
aws_has_deployed

ok 'ours replaces it, without a question' 'install "./$first"'
ok 'its package is gone, its service name is ours' '! dpkg-query -W -f "\${Status}" codedeploy-agent 2>/dev/null | grep -q " installed" && active && enabled && [ "$(readlink /proc/"$(property MainPID)"/exe)" = /opt/codedeploy-agent/bin/agent ]'
ok 'the configuration is the one that was there' '[ "$(sha256sum $configuration)" = "$before" ] && grep -qx -- "$aws_configuration" $configuration'
ok 'the package that was replaced can be purged' 'dpkg --purge codedeploy-agent >>/machine/out/apt.log 2>&1'
ok 'the configuration is there all the same' '[ "$(sha256sum $configuration)" = "$before" ]'
ok 'and so is the agent' 'systemctl restart $unit && active && enabled && eventually polls'

bundle /run/new <<'END'
ApplicationStop echo stopped by d-NEW >>/run/stopped
END
ok 'the first deployment' 'deploy d-NEW /run/new && deployed new'
ok 'ran ApplicationStop from the old archive' '[ "$(cat /run/stopped)" = "stopped by d-OLD" ]'
ok 'removed what only the old revision had' '[ ! -e /srv/app/only-in-old ]'

# --- and back ---
ok 'AWS'"'"'s agent replaces ours' 'install -o Dpkg::Options::=--force-confold ./codedeploy-agent_1.7.0-92_all.deb'
ok 'it runs' 'active && enabled && grep -q sleep /proc/"$(property MainPID)"/comm'
ok 'with the configuration that was there' '[ "$(sha256sum $configuration)" = "$before" ]'
ok 'ours can be purged and leaves it alone' 'dpkg --purge codedeploy-host-agent >>/machine/out/apt.log 2>&1 && active && [ "$(sha256sum $configuration)" = "$before" ] && [ -e /opt/codedeploy-agent/state/.pid/codedeploy-agent.pid ]'
ok 'its next deployment finds our records' '/opt/codedeploy-agent/bin/codedeploy-agent clean-up && grep -qx "stopped by d-NEW" /run/stopped && [ ! -e /srv/app/version ]'

# --- and to ours once more, with a configuration of ours purged before ---
ok 'ours again' 'install "./$second" && active && eventually polls && [ "$(sha256sum $configuration)" = "$before" ]'
done_testing
