#!/bin/bash
# Backups by Debian's lxc, which knows them as an object that is made, downloaded and deleted.
set -euo pipefail
here=$(dirname "$0")
# shellcheck source=../lib/tap.sh
. "$here/../lib/tap.sh"
# shellcheck source=../lib/daemon.sh
. "$here/../lib/daemon.sh"
# shellcheck source=../lib/lxc.sh
. "$here/../lib/lxc.sh"

lxc_begin busybox
cd "$TMPDIR"
refused() { # PATTERN CMD...: its progress is in the same line
	fails "${@:2}"
	like "$(tail -n 1 "$TAP_OUTPUT")" "Error: .*$1" "says why"
}
lxc launch -q busybox box 2>/dev/null || bail "launch"
lxc exec box -- sh -c 'echo one >/root/file'
ok lxc snapshot box first
lxc exec box -- sh -c 'echo two >/root/file'
ok lxc export box
is "$(head -c 2 backup.tar.gz | od -An -tx1)" " 1f 8b" "into the file that it names itself"
is "$(lxc query /1.0/instances/box/backups)" "[]" "and deletes the backup"
ok lxc export box box.tar.zst --compression zstd
is "$(head -c 2 box.tar.zst | od -An -tx1)" " 28 b5" "export --compression"
ok lxc export box only.tar --instance-only --compression none
is "$(tar -tf only.tar | grep -c ^backup/snapshots)" 0 "export --instance-only"
complains '*it has no optimized format' lxc export box optimized.tar --optimized-storage
complains '*compression "brotli" is not supported*' lxc export box other.tar --compression brotli
complains '*not found*' lxc export nobody
refused 'already exists' lxc import box.tar.zst
ok lxc import backup.tar.gz other
ok lxc start other
is "$(lxc exec other -- cat /root/file)" two "import under another name"
ok lxc restore other first
is "$(lxc exec other -- cat /root/file)" one "has the snapshots"
ok lxc delete --force box
ok lxc import box.tar.zst
is "$(lxc list --format csv -c nsS)" $'box,STOPPED,1\nother,RUNNING,1' "import under its own"
refused 'not found' lxc import only.tar third --storage nowhere
ok lxc import only.tar third --storage default
echo nothing >nothing
refused 'no tar archive' lxc import nothing fourth
is "$(names)" "box other third" "what cannot be imported leaves nothing"
ok eval 'lxc query --wait -X POST /1.0/instances/box/backups -d "{\"name\": \"kept\"}"'
like "$(lxc info box)" $'Backups:\n.*kept' "info tells of those that are kept"
ok lxc delete box other third --force
daemon_end
done_testing
