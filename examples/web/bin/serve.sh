#!/bin/sh
# Serves a directory on the loopback address, with whatever this machine has.
# usage: serve.sh DIRECTORY PORT
set -eu
if command -v python3 >/dev/null; then
  exec python3 -m http.server --bind 127.0.0.1 --directory "$1" "$2"
fi
if command -v busybox >/dev/null && busybox --list | grep -qx httpd; then
  exec busybox httpd -f -p "127.0.0.1:$2" -h "$1"
fi
exec perl -MIO::Socket::INET -e '
  my ($directory, $port) = @ARGV;
  my $server = IO::Socket::INET->new(
    LocalAddr => "127.0.0.1", LocalPort => $port, Listen => 16, ReuseAddr => 1,
  ) or die "cannot listen on port $port: $!\n";
  while (my $client = $server->accept) {
    my ($name) = (<$client> // "") =~ m{^GET /([\w-]+\.\w+)? };
    if (open my $file, "<", "$directory/" . ($name // "index.html")) {
      local $/;
      print $client "HTTP/1.0 200 OK\r\n\r\n", <$file>;
    } else {
      print $client "HTTP/1.0 404 Not Found\r\n\r\n";
    }
    close $client;
  }' "$1" "$2"
