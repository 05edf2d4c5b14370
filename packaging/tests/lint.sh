#!/bin/bash
# The packages as files: lintian, rpmlint, contents and modes.
. ./lib.sh
rpm=$(ls codedeploy-host-agent-*-1.x86_64.rpm)

ok 'lintian finds no error' 'lintian --no-cfg --allow-root --fail-on error "$first"'
ok 'rpmlint finds no error' 'rpmlint --config ./rpmlint.toml "$rpm"'
# The pages of the subcommands are what the command line has; a test of its own compares those.
pages='man1/codedeploy-agent-'
dpkg-deb --contents "$first" | grep -v "$pages" | awk '{ $3 = $4 = $5 = ""; print }' | tr -s ' ' | sed 's/ $//' | sort -k 3 >/machine/out/contents-deb.txt
command rpm --query --package --queryformat '[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILENAMES} %{FILELINKTOS} %{FILEFLAGS:fflags}\n]' "$rpm" |
  grep -v "$pages" | sed 's/ *$//' | sort -k 3 >/machine/out/contents-rpm.txt
ok 'contents and modes of the deb' 'diff -u contents-deb.txt /machine/out/contents-deb.txt'
ok 'contents and modes of the rpm' 'diff -u contents-rpm.txt /machine/out/contents-rpm.txt'
ok 'scripts of the deb are sound' 'dpkg-deb --control "$first" /run/control && for script in preinst postinst prerm postrm; do sh -n /run/control/$script || exit 1; done'
done_testing
