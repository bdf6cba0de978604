#!/bin/bash
# Chains of layers are kept short: what only others keep is merged in the background, contents stay, and whoever runs
# above notices nothing.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

rows() { sqlite3 "$SYSCT_DIR/sysct.db" "$1"; }
depth() { # INSTANCE: layers of its chain
	rows "with recursive c (id) as (select layer_id from instances where name = '$1'
		union select parent_id from c join storage_layers l on l.id = c.id where parent_id is not null) select count(*) from c"
}
is_short() { [ "$(depth "$1")" -le "$2" ]; } # INSTANCE LAYERS
directories() { find "$SYSCT_DIR/storage-pools/default/"{instances,layers} -mindepth 1 -maxdepth 1 -printf '%P\n' | sort; }
agrees() { [ "$(directories)" = "$(rows "select substr(directory, instr(directory, '/') + 1) from storage_layers order by 1")" ]; }
dead() { rows 'select count(*) from storage_layers where dead = 1'; }
are_dead() { [ "$(dead)" = "$1" ]; }
merges() { grep -c layers-merged "$daemon_log" || true; }

# Everything that is to be seen of the places that the rounds write to; a lease may come later.
picture() { # INSTANCE
	sysct exec "$1" -- sh -c 'cd /; find root etc usr/share srv -xdev ! -name "resolv.conf*" | sort >/tmp/paths
		tr "\n" "\0" </tmp/paths | xargs -0 stat -c "%n %F %a %u %g %s %N" -- 2>&1
		find root etc usr/share srv -xdev ! -name "resolv.conf*" -type f -exec md5sum {} + | sort' | md5sum
}

# Changes of each kind that layers can have, in a directory tree that goes on from round to round.
change() { # INSTANCE ROUND
	# shellcheck disable=SC2016
	sysct exec "$1" -- sh -c '
		set -e; n=$1; mkdir -p /srv/d /srv/e; cd /srv
		echo "$n" >"d/file$n"; mkdir -p "d/sub$((n % 5))"; echo "$n" >"d/sub$((n % 5))/x$n"; ln "d/file$n" "e/hard$n"
		rm -f "d/file$((n - 3))"; rm -rf "d/sub$(((n + 2) % 5))"
		case $((n % 6)) in
		0) mv d moved; mv moved e/in; mv e/in d ;;
		1) rm -rf /root/dir; mkdir /root/dir; echo "$n" >/root/dir/new ;;
		2) rm -rf /root/dir; echo "$n" >/root/dir; chmod 600 /root/dir ;;
		3) rm -rf e/away; mv d/sub$((n % 5)) e/away; echo "$n" >e/away/more ;;
		4) rm -rf /etc/init.d; mkdir /etc/init.d; echo "$n" >/etc/init.d/only ;;
		5) mv /usr/share/udhcpc /usr/share/kept 2>/dev/null || mv /usr/share/kept /usr/share/udhcpc; ln -sf "$n" e/link ;;
		esac' - "$2"
}

daemon_start
sysct launch busybox witness
witness_pid=$(instance_init_pid witness)

# --- snapshots that come and go ---

sysct init busybox box
wrong=0 long=0
for round in $(seq 60); do
	sysct start box
	change box "$round" || wrong=$((wrong + 1))
	wanted=$(picture box)
	sysct stop -f box
	sysct snapshot create box "now$round"
	[ "$round" = 1 ] || sysct snapshot delete box "now$((round - 1))"
	wait_until 20 is_short box 3 || long=$((long + 1))
	sysct start box
	[ "$(picture box)" = "$wanted" ] || { diag "round $round: contents differ"; wrong=$((wrong + 1)); }
	sysct stop -f box
done
is "$long" 0 "sixty snapshots of a stopped instance, of which the last is kept: never more than three layers"
is "$wrong" 0 "and the contents are right each time"
ok -n "they were merged" test "$(merges)" -ge 50
ok -n "rows and directories agree" wait_until 20 agrees
ok sysct snapshot delete box now60
ok -n "without a snapshot two are left: nothing is merged with the one that is written to" wait_until 20 is_short box 2
sysct start box
is "$(picture box)" "$wanted" "with the same contents"
ok -n "no layer is left over" wait_until 20 are_dead 0

# --- while it runs ---

sysct stop -f box
for round in a b c; do sysct snapshot create box "$round"; done
ok -n "the lowest is merged with what was below it" wait_until 20 is_short box 4
sysct start box
before=$(merges)
ok sysct snapshot delete box a b c
daemon_stop
daemon_start
sysct stop -f witness
sysct start witness
witness_pid=$(instance_init_pid witness)
is "$(depth box) $(merges)" "4 $before" "what a running instance has mounted is left alone, as long as it is not much"
ok sysct stop -f box
ok -n "it is merged when it has stopped" wait_until 20 is_short box 2

for round in $(seq 101 140); do
	sysct start box
	change box "$round"
	sysct stop -f box
	sysct snapshot create box "deep$round"
done
sysct start box
wanted=$(picture box) pid=$(instance_init_pid box)
ok -n "a long chain" wait_until 20 is_short box 41
# Files that it holds open, and files that nobody has looked at yet.
sysct exec box -- sh -c 'exec 7</srv/d/file139; echo ready >/tmp/ready; while [ ! -e /tmp/go ]; do sleep 0.1; done; cat <&7 >/root/held' &
holder=$!
ok -n "a program holds a file of a lower layer open" wait_until 10 sysct exec box -- test -e /tmp/ready
# shellcheck disable=SC2046 # words
ok sysct snapshot delete box $(seq -f deep%g 101 140)
ok -n "of a long chain so many are merged that it is short enough" wait_until 30 is_short box 32
is "$(picture box)" "$wanted" "the instance that runs above sees what it saw"
is "$(instance_init_pid box)" "$pid" "and goes on"
sysct exec box -- touch /tmp/go
ok -n "the program reads on" wait $holder
is "$(sysct exec box -- cat /root/held)" 139 "what it had opened"
sysct exec box -- rm /root/held
dead_before=$(dead)
ok -n "what it has mounted stays" test "$dead_before" -ge 10
daemon_stop KILL
daemon_start
is "$(dead)" "$dead_before" "also after a daemon that was killed"
ok sysct config set box user.note=changed
is "$(picture box)" "$wanted" "after a change of the configuration"
ok -n "a reboot from inside" reboots box
is "$(picture box)" "$wanted" "mounts the same layers again"
is "$(dead)" "$dead_before" "which are all there"
ok sysct stop -f box
ok -n "when it has stopped, they go" wait_until 20 are_dead 0
ok -n "and the rest is merged" wait_until 30 is_short box 2
ok sysct start box
is "$(picture box)" "$wanted" "after which it sees the same"
ok sysct delete -f box

# --- many that are kept ---

sysct init busybox many
declare -A wanted_of
for round in $(seq 100); do
	sysct start many
	change many "$round"
	wanted_of[$round]=$(picture many)
	sysct stop -f many
	sysct snapshot create many "kept$round"
done
ok -n "a hundred that are all kept: a layer for each, and one to write into" is_short many 101
sysct copy many/kept70 copy
sysct copy many/kept70 copy2
wrong=0
for round in $(seq 100); do
	sysct restore many "kept$round"
	sysct start many
	[ "$(picture many)" = "${wanted_of[$round]}" ] || { diag "kept$round differs"; wrong=$((wrong + 1)); }
	sysct stop -f many
done
is "$wrong" 0 "each can be brought back"
ok sysct start copy
# shellcheck disable=SC2046 # words
ok sysct snapshot delete many $(for i in $(seq 99); do if [ $((i % 10)) != 0 ]; then echo "kept$i"; fi; done)
ok -n "of a hundred every tenth is kept: of what a running copy has mounted so many are merged that it is short enough" wait_until 60 is_short copy 32
is "$(picture copy)" "${wanted_of[70]}" "which sees what it saw"
ok sysct stop -f copy
ok -n "and the others when it has stopped" wait_until 60 is_short copy 10
ok -n "of all chains" wait_until 60 is_short many 14
wrong=0
for round in $(seq 10 10 100); do
	sysct restore many "kept$round"
	sysct start many
	[ "$(picture many)" = "${wanted_of[$round]}" ] || { diag "kept$round differs"; wrong=$((wrong + 1)); }
	sysct stop -f many
done
is "$wrong" 0 "all that are left can be brought back"
for name in copy copy2; do
	sysct start $name
	is "$(picture $name)" "${wanted_of[70]}" "$name has what it was copied from, with ids of its own"
done

# --- nothing is left ---

is "$(instance_init_pid witness)" "$witness_pid" "an instance beside was not disturbed"
ok sysct delete -f many copy copy2
reclaimed() { [ -z "$(find "$SYSCT_DIR/storage-pools" -maxdepth 3 -name '.*-*')" ]; }
ok -n "what is deleted is removed" wait_until 20 reclaimed
one_left() { [ "$(rows 'select count(*) from storage_layers')" = 1 ]; }
ok -n "one layer is left, the other instance's" wait_until 20 one_left
ok -n "rows and directories agree at the end" wait_until 20 agrees
fails -n "nothing has failed" grep -E 'layers-not-merged|removing what was deleted' "$daemon_log"
daemon_end
done_testing
