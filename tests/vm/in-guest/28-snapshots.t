#!/bin/bash
# Snapshots and copies on this kernel: layers that are mounted with shifted ids, freezing, going back. Needs bb.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../../lib/tap.sh"
# shellcheck source=tests/vm/in-guest/guest.sh
. "$(dirname "$0")/guest.sh"

inside() { sysct exec "$1" -- sh -c "$2"; }

sysct launch busybox snappy
inside snappy 'echo one >/root/file; chown 5:6 /root/file; rm /etc/shells; mkdir /root/dir'
ok -n "a snapshot of one that runs" sysct snapshot snappy running
is "$(sysct list snappy -f csv -c s)" RUNNING "it goes on"
inside snappy 'echo two >/root/file; rmdir /root/dir'
sysct stop --force snappy
ok -n "of one that is stopped" sysct snapshot snappy stopped
sysct start snappy
inside snappy 'echo three >/root/file'
ok -n "back to the first" sysct restore snappy running
is "$(inside snappy 'cat /root/file; stat -c "%u %g" /root/file; ls /root')" $'one\n5 6\ndir\nfile' "files and owners are what they were"
ok -n "to the second" sysct restore snappy stopped
is "$(inside snappy 'cat /root/file; ls /root')" $'two\nfile' "and forth"
ok -n "a copy of a snapshot" sysct copy snappy/running copied --start
is "$(inside copied 'cat /root/file; stat -c "%u %g" /root/file')" $'one\n5 6' "has its files with its own ids"
ok -n "which is another range" test "$(stat -c %u "/proc/$(instance_init_pid snappy)/task")" != "$(stat -c %u "/proc/$(instance_init_pid copied)/task")"
sysct delete --force snappy
is "$(inside copied 'cat /root/file')" one "what both had stays while one needs it"
sysct delete --force copied
sysct init busybox chain
for i in $(seq 70); do sysct snapshot chain "n$i" || break; done
ok -n "over seventy layers it starts" sysct start chain
is "$(inside chain 'echo x >/root/x; cat /root/x')" x "and writes"
sysct delete --force chain
reclaimed() { [ -z "$(find "$state/storage-pools" -maxdepth 3 -name '.del-*')" ]; }
ok -n "all is removed" wait_until 60 reclaimed
done_testing
