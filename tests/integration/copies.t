#!/bin/bash
# Copies of instances and of snapshots: what they share, what is their own, and that nobody notices the other.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

inside() { sysct exec "$1" -- sh -c "$2"; }
names() { sysct snapshot list "$1" -f csv | cut -d, -f1 | paste -sd ' '; }
rows() { sqlite3 "$SYSCT_DIR/sysct.db" "$1"; }
reclaimed() { [ -z "$(find "$SYSCT_DIR/storage-pools" -maxdepth 3 -name '.del-*')" ]; }
has_address() { sysct list "$1" -f csv -c 4 | grep -q .; }

daemon_start
sysct launch busybox box -c user.note=kept -c limits.memory=64MiB --description 'the first'
inside box 'echo one >/root/file; chown 5:6 /root/file; chmod 4755 /root/file; mkdir /root/dir; rm /etc/shells; chmod 711 /; chown 3 /'
sysct snapshot create box early
inside box 'echo two >/root/file; rmdir /root/dir'

# --- of one that runs, of one that is stopped, of a snapshot ---

ok sysct copy box running
is "$(sysct list running -f csv -c s)" STOPPED "a copy is stopped"
is "$(sysct list box -f csv -c s)" RUNNING "and the source runs on"
ok sysct start running
is "$(inside running 'cat /root/file; stat -c "%u %g %a" /root/file; stat -c "%u %a" /; ls /root')" "$(inside box 'cat /root/file; stat -c "%u %g %a" /root/file; stat -c "%u %a" /; ls /root')" "files, their owners and modes, and the root directory's"
ok -n "what the source has deleted is not there" inside running '[ ! -e /etc/shells ] && [ ! -e /root/dir ]'
is "$(sysct config get running user.note) $(sysct config get running limits.memory)" "kept 64MiB" "its configuration"
like "$(sysct info running)" 'Description: the first' "and description"
is "$(names running)" early "its snapshots"
is "$(inside running 'cat /proc/sys/kernel/hostname')" running "it has a name of its own"
ok -n "and a MAC address" test "$(sysct config get box volatile.eth0.hwaddr)" != "$(sysct config get running volatile.eth0.hwaddr)"
ok -n "and ids" test "$(stat -c %u "/proc/$(instance_init_pid box)/task")" != "$(stat -c %u "/proc/$(instance_init_pid running)/task")"
ok -n "its network works" wait_until 10 has_address running
inside running 'echo three >/root/file; rm -r /root/x 2>/dev/null; mkdir /root/own'
is "$(inside box 'cat /root/file; ls /root')" $'two\nfile' "what it writes the source does not see"
ok sysct restore running early
is "$(inside running 'cat /root/file; ls /root')" $'one\ndir\nfile' "a copied snapshot can be brought back"
is "$(inside box 'cat /root/file')" two "which does not touch the source"

ok sysct copy box/early fromsnap --start
is "$(inside fromsnap 'cat /root/file; ls /root; stat -c "%u %g %a" /root/file')" $'one\ndir\nfile\n5 6 4755' "a copy of a snapshot, started at once"
is "$(names fromsnap)" "" "has no snapshots"
ok sysct stop -f box
ok sysct copy box stopped --instance-only -c user.note=other -c user.more=x --ephemeral --description second
is "$(names stopped)" "" "--instance-only"
is "$(sysct config get stopped user.note) $(sysct config get stopped user.more)" "other x" "settings of the command line are laid over"
like "$(sysct info stopped)" 'Description: second.*ephemeral' "description and --ephemeral"
ok sysct start box stopped
inside box 'echo source >/root/file'
is "$(inside stopped 'cat /root/file')" two "of a stopped one: what the source writes the copy does not see"
name=$(sysct copy box -q)
like "$(sysct list -f csv -c n)" "$name" "without a name the daemon chooses one"

# --- a copy of a copy, and the end of those before it ---

ok sysct copy fromsnap second
ok sysct copy second third
ok sysct delete -f box fromsnap second
ok sysct start third
is "$(inside third 'cat /root/file; stat -c "%u %g %a" /root/file')" $'one\n5 6 4755' "what they had in common stays while one needs it"
is "$(inside running 'cat /root/file')" one "for the others, too"
ok sysct snapshot create third own
inside third 'echo changed >/root/file'
ok sysct restore third own
is "$(inside third 'cat /root/file')" one "snapshots of a copy"

# --- bad input ---

complains 'Instance not found' sysct copy nobody x
complains 'Snapshot not found' sysct copy third/nothing x
complains 'already exists' sysct copy third running
complains 'Invalid instance name' sysct copy third 'bad name'
complains 'needs the name' sysct query -X POST -d '{"name": "x", "source": {"type": "copy"}}' /1.0/instances
complains 'no project' sysct query -X POST -d '{"name": "x", "source": {"type": "copy", "source": "third", "project": "other"}}' /1.0/instances
is "$(rows "select count(*) from instances where name = 'x'")" 0 "what was refused left nothing"

# --- ten at once, all from one ---

ok -n "ten copies at once" bash -c 'for i in $(seq 10); do sysct copy third/own "many$i" --start & pids+=($!); done; for pid in "${pids[@]}"; do wait $pid || exit 1; done'
is "$(for i in $(seq 10); do inside "many$i" 'cat /root/file'; done | sort | uniq -c | xargs)" "10 one" "each has what it shall"

# shellcheck disable=SC2046 # words
ok sysct delete -f $(sysct list -f csv -c n)
ok -n "all of them are removed" wait_until 20 reclaimed
none_left() { [ "$(rows 'select count(*) from storage_layers') $(find "$SYSCT_DIR/storage-pools/default/"{instances,layers} -mindepth 1 -maxdepth 1 | wc -l)" = "0 0" ]; }
ok -n "and no layer is left" wait_until 20 none_left
daemon_end
done_testing
