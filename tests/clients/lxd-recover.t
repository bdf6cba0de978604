#!/bin/bash
# `lxd recover` of Debian's lxd with this daemon, whose database was lost.
set -euo pipefail
here=$(dirname "$0")
# shellcheck source=../lib/tap.sh
. "$here/../lib/tap.sh"
# shellcheck source=../lib/daemon.sh
. "$here/../lib/daemon.sh"
# shellcheck source=../lib/lxc.sh
. "$here/../lib/lxc.sh"
[ -x /usr/bin/lxd ] || skip_all "lxd is not installed (Debian: lxd)"

# lxd_recover ANSWER...: it asks on its terminal or a pipe.
lxd_recover() { printf '%s\n' "$@" | timeout 60 lxd recover; }
described() { grep -q 'user.last: now' "$SYSCT_DIR/storage-pools/plain"/backups/*/*.yaml; }

mkdir "$TMPDIR/plain"
lxc_begin busybox
lxc storage create plain dir source="$TMPDIR/plain"
lxc network create lab
lxc launch busybox one
lxc launch busybox two -s plain -n lab
lxc exec two -- sh -c 'echo then >/root/file'
lxc snapshot two clean
lxc exec two -- sh -c 'echo now >/root/file'
lxc storage volume create plain data
lxc stop -f one two
lxc config set two user.last now
macs=$(lxc list -f json | jq -r '.[].config."volatile.eth0.hwaddr"')
ok -n "all is described" wait_until 10 described
daemon_stop
rm "$SYSCT_DIR"/sysct.db*
daemon_start
is "$(names)" "" "nothing is known"

# What is missing is asked for again, until it is there: one answer more.
make_network() { wait_until 20 grep -q 'Please create' "$TMPDIR/said"; lxc network create lab >/dev/null; echo; echo yes; }
answers() { printf '%s\n' yes plain dir "$TMPDIR/plain" '' no yes; make_network; }
talk() { answers | timeout 60 lxd recover >"$TMPDIR/said" 2>&1; }
: >"$TMPDIR/said"
ok -n "lxd recover" talk
said=$(cat "$TMPDIR/said")
like "$said" 'NEW: "plain" .backend="dir", source="'"$TMPDIR/plain" "it looks into a pool that it is told of"
like "$said" 'Container "two" on pool "plain" in project "default" .includes 1 snapshots' "instances are found"
like "$said" 'Custom "data" on pool "plain"' "and volumes"
like "$said" 'You are currently missing the following:.*network "lab"' "and what is missing"
like "$said" 'Starting recovery' "and all is recovered"
is "$(names)" "one two" "instances"
is "$(lxc storage list -f csv | cut -d, -f1 | sort | paste -sd ' ')" "default plain" "pools"
is "$(lxc storage volume list plain -f csv | cut -d, -f1,2 | paste -sd ' ')" "container,two custom,data" "volumes"
is "$(lxc list -f json | jq -r '.[].config."volatile.eth0.hwaddr"')" "$macs" "with their addresses"
ok lxc start one two
is "$(lxc exec two -- cat /root/file)" now "with their files"
ok lxc restore two clean
is "$(lxc exec two -- cat /root/file)" "then" "and snapshots"
like "$(lxd_recover no yes)" 'No unknown volumes found' "then there is nothing to be done"
lxc delete -f one two
lxc storage volume delete plain data
lxc storage delete plain
lxc network delete lab
daemon_end
done_testing
