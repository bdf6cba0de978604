#!/bin/bash
# A lost database is made again from what lies in the pools: nothing is removed before, and everything is as it was after.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"
# shellcheck source=tests/lib/crash.sh
. "$(dirname "$0")/../lib/crash.sh"

inside() { sysct exec "$1" -- sh -c "$2"; }
state() { sysct list "^$1\$" -f csv -c s; }
pools=$SYSCT_DIR/storage-pools
all="default fast plain"

# All that the API tells, but for what runs, is counted, or was used; addresses are of a network that is new.
facts() {
	local path
	for path in instances\?recursion=2 images\?recursion=1 storage-pools\?recursion=1 profiles\?recursion=1; do
		sysct query "/1.0/$path"
	done
	for path in $all; do sysct query "/1.0/storage-pools/$path/volumes/custom?recursion=2"; done
}
plainly() {
	jq -S 'map(del(.state, .status, .status_code, .last_used_at, .config.size, .expanded_config."volatile.eth0.ipv4.address",
		.config."volatile.eth0.ipv4.address") | if .used_by then .used_by |= sort else . end
		| if .snapshots then .snapshots |= map(del(.size, .expanded_config."volatile.eth0.ipv4.address")) else . end)'
}
trees() { # POOL: every file of it
	local kind
	for kind in instances layers images; do "$top/tests/lib/manifest" "$pools/$1/$kind" 0 | grep -v '/size '; done
}
described() { [ "$(grep -lc "$1" "$pools/$2"/backups/*/*.yaml 2>/dev/null | wc -l)" -gt 0 ]; } # TEXT POOL
has() { [ -e "$(echo "$pools/$1"/backups/*/"$2")" ]; } # POOL FILE
hasnt() { ! has "$@"; }
settled() { # all changes are written: the last one is
	local mark=$RANDOM$RANDOM
	sysct storage volume set default marked user.mark=$mark && wait_until 10 described "user.mark: \"$mark\"" default
}
lab= # a network that is made again
lose() { # [SIGNAL]: the database
	daemon_stop "${1:-TERM}"
	rm -f "$SYSCT_DIR"/sysct.db*
	daemon_start
	[ -z "$lab" ] || sysct network create "$lab"
}
remove_strays() { # what no row knows
	local directory
	for directory in $(cd "$pools" && ls -d ./*/instances/* ./*/layers/* 2>/dev/null); do
		[ "$(rows "select count(*) from storage_layers where directory = '${directory#./*/}'")" = 1 ] || rm -r "${pools:?}/$directory"
	done
}
recover() { sysct admin recover --yes "$@"; }
# shellcheck disable=SC2046 # a list
stop_all() { sysct stop -f $(sysct list -f csv -c ns | sed -n 's/,RUNNING//p') 2>/dev/null || true; }

mkdir "$TMPDIR/plain"
daemon_start
sysct storage create fast btrfs size=300MiB
sysct storage create plain dir source="$TMPDIR/plain"
sysct storage set plain user.note='of the user'
sysct storage set default user.note='of the first'
sysct profile create web
sysct profile set web limits.memory=200MiB
sysct storage volume create default marked
for pool in $all; do
	sysct storage volume create "$pool" data
	sysct storage volume set "$pool" data user.what="data of $pool"
	sysct init busybox "$pool" -s "$pool" -p default -p web -c user.note="$pool, of old" -d root,pool="$pool"
	sysct storage volume attach "$pool" data "$pool" /data
	sysct start "$pool"
	inside "$pool" 'echo one >/root/file; echo kept >/data/file; mkdir /root/dir; ln -s file /root/link; chown 12:34 /root/dir'
	sysct snapshot create "$pool" early --description 'the first one'
	sysct storage volume snapshot "$pool" data 'then'
	inside "$pool" 'echo two >/root/file; rm /root/link; echo changed >/data/file'
	sysct copy "$pool/early" "copy-$pool"
	sysct snapshot create "$pool" running --no-expiry
	sysct stop -f "$pool"
	sysct snapshot create "$pool" late
	sysct config set "$pool" user.later=yes
	sysct copy "$pool" "again-$pool" --instance-only
	sysct start "$pool"
	inside "$pool" 'echo three >/root/file; rm -r /root/dir'
done
stop_all

# --- what pools say of themselves ---

ok -n "what is changed is described soon" settled
files() { find "$pools/$1"/backups/* -name "$2" | wc -l; } # POOL PATTERN
is "$(files default 'instance-*') $(files fast 'instance-*') $(files plain 'instance-*')" "3 3 3" "each instance has a description in its pool"
is "$(files default 'custom-*') $(files default 'image-*')" "2 1" "so have volumes and images"
is "$(find "$pools/default/backups" -printf '%m %u\n' | sort -u | paste -sd ' ')" "600 root 700 root" "only root can read them" # some are written anew
sysct storage volume create fast one
sysct init busybox gone -s fast
uuid=$(rows "select uuid from instances where name = 'gone'")
ok -n "new ones are described" wait_until 10 described "name: one" fast
ok -n "instances, too" wait_until 10 has fast "instance-$uuid.yaml"
sysct storage volume rename fast one two
ok -n "with the name that they have" wait_until 10 described "name: two" fast
ok -n "under one name only" wait_until 10 hasnt fast custom-one.yaml
sysct move gone -s plain
ok -n "in the pool where they are" wait_until 10 has plain "instance-$uuid.yaml"
ok -n "and in no other" wait_until 10 hasnt fast "instance-$uuid.yaml"
sysct delete gone
sysct storage volume delete fast two
gone() { [ "$(files plain "instance-$uuid*") $(files fast 'custom-two*')" = "0 0" ]; }
ok -n "what is deleted is not described any more" wait_until 10 gone
sysct init busybox gone -s fast
uuid=$(rows "select uuid from instances where name = 'gone'")
wait_until 10 has fast "instance-$uuid.yaml"
daemon_stop
SYSCT_FAULT=layers.discarded daemon_start
sysct delete gone || true # the daemon is killed when it has been answered, or before
wait "$daemon_pid" || true
has fast "instance-$uuid.yaml" && diag "it has a description still"
daemon_start
ok -n "its description goes with the next start" wait_until 10 hasnt fast "instance-$uuid.yaml"
fails -n "and it is not taken for lost" grep 'things that the database does not know' "$daemon_log"
sysct config set copy-fast user.late=killed
daemon_stop KILL
daemon_start
ok -n "after a kill -9 the next daemon makes up for it" wait_until 10 described "user.late: killed" fast
like "$(sysct admin recover --yes)" 'nothing to recover' "nothing is to be recovered of what is known"

# --- the database is lost ---

settled
facts | plainly >"$TMPDIR/facts"
for pool in $all; do trees "$pool" >"$TMPDIR/trees.$pool"; done
macs=$(rows "select value from instances_config where key like '%hwaddr' order by 1")
sysct query --wait -X POST -d '{"name":"kept"}' /1.0/instances/default/backups >/dev/null
daemon_stop
mkdir "$pools"/default/{instances,layers,images}/.new-11111111-2222-3333-4444-555555555555 "$pools/default/layers/.del-some"
rm -f "$SYSCT_DIR"/sysct.db*
daemon_start
is "$(sysct list -f csv)$(sysct image list -f csv)" "" "a new database knows nothing"
daemon_stop KILL
daemon_start
like "$(cat "$daemon_log")" 'pool default has .* things that the database does not know' "which is logged"
find "$pools/default" "$TMPDIR/plain" -mindepth 2 -maxdepth 2 -name '.[nd]e[wl]-*' | wc -l >"$TMPDIR/hidden"
is "$(cat "$TMPDIR/hidden")" 4 "nothing that is half made or half removed goes"
rmdir "$pools"/default/{instances,layers,images}/.new-* "$pools/default/layers/.del-some"
is "$(trees default | diff "$TMPDIR/trees.default" -)" "" "no file of a pool has changed"
is "$(cd "$TMPDIR/plain" && for kind in instances layers images; do "$top/tests/lib/manifest" $kind 0; done | grep -v '/size ' | diff "$TMPDIR/trees.plain" -)" "" "nor of one elsewhere"
is "$(find "$SYSCT_DIR/backups" -type f | wc -l)" 1 "a backup that was kept stays"
sysct launch busybox passing
sysct delete -f passing
sysct image delete busybox
is "$(find "$pools/default/images" -mindepth 1 -maxdepth 1 | wc -l)" 1 "an image that instances need stays, whoever deletes it"
sysct launch busybox newcomer
sysct launch busybox copy-plain
is "$(rows "select base from id_ranges r join instances i on i.id = r.instance_id where i.name = 'newcomer'")" 100000 "another one has the first ids by now"
ok -n "the image is of use to new ones" inside newcomer true
ok -n "and is there still when that is deleted again" sysct image delete busybox
complains 'lost database' sysct storage delete default

ok -n "it is told what is found" sysct admin recover --dry-run
like "$(cat "$TAP_OUTPUT")" 'fast .btrfs.*fast.img., which the database does not know.*instance again-default in pool default.*instance default in pool default, 3 snapshots' "with pools, names and snapshots"
like "$(cat "$TAP_OUTPUT")" 'instance copy-plain in pool plain: not possible: another instance has the name' "and what is in the way"
is "$(sysct list -f csv -c n | paste -sd ' ')" "copy-plain newcomer" "nothing was changed"
is "$(grep -c " $pools/" /proc/self/mountinfo)" 0 "nor is anything mounted"
fails -n "it says no without an answer" sysct admin recover </dev/null
fails -n "one whose name is taken is left" recover
like "$(cat "$TAP_OUTPUT")" 'Recovered:.*instance default in pool default, 3 snapshots.*Not recovered:.*instance copy-plain in pool plain: not possible: another instance' "the others are recovered"
sysct delete -f newcomer copy-plain
ok -n "and it is recovered when its name is free" recover
ok -n "then nothing is left to be recovered" sysct admin recover --dry-run
like "$(cat "$TAP_OUTPUT")" 'nothing to recover' "which it says"
facts | plainly >"$TMPDIR/facts.now"
is "$(diff "$TMPDIR/facts" "$TMPDIR/facts.now")" "" "instances, snapshots, volumes, images, pools and profiles are what they were"
is "$(rows "select value from instances_config where key like '%hwaddr' order by 1")" "$macs" "with their addresses"
for pool in fast plain; do is "$(trees "$pool" | diff "$TMPDIR/trees.$pool" -)" "" "no file of $pool has changed"; done
is "$(trees default | diff "$TMPDIR/trees.default" - | grep -c '^<')" 0 "nor of default"
is "$(find "$pools"/*/backups -mindepth 1 -maxdepth 1 | sed 's,.*/,,' | sort -u | wc -l)" 1 "descriptions are those of the new database alone"
for pool in $all; do
	ok -n "$pool: it starts" sysct start "$pool"
	is "$(inside "$pool" 'cat /root/file /data/file')" $'three\nchanged' "$pool: it has its files, and its volume's"
	fails -n "$pool: what was removed is not there" inside "$pool" 'ls /root/dir'
	ok -n "$pool: a snapshot is restored" sysct restore "$pool" running
	is "$(inside "$pool" 'cat /root/file; stat -c %u:%g /root/dir')" $'two\n12:34' "$pool: and is what it was"
	ok -n "$pool: the first one, too" sysct restore "$pool" early
	is "$(inside "$pool" 'cat /root/file; readlink /root/link')" $'one\nfile' "$pool: with what was removed since"
	ok -n "$pool: copies start" sysct start "copy-$pool" "again-$pool"
	is "$(inside "copy-$pool" 'cat /root/file')$(inside "again-$pool" 'cat /root/file')" onetwo "$pool: and have their files"
	ok -n "$pool: a new snapshot is made" sysct snapshot create "$pool" new
	sysct stop -f "$pool" "copy-$pool" "again-$pool"
	ok -n "$pool: the volume is restored" sysct storage volume restore "$pool" data 'then'
	ok -n "$pool: and seen so" sysct start "$pool"
	is "$(inside "$pool" 'cat /data/file')" kept "$pool: by the instance"
done
stop_all
ok -n "an image can be launched" sysct launch busybox newcomer
sysct delete -f newcomer
agree() { storage_agrees && [ "$(rows 'select count(*) from storage_layers where dead')" = 0 ]; }
agrees_now() { wait_until 20 agree || agree; }
ok -n "rows and directories agree" agrees_now
daemon_stop
daemon_start
ok -n "after a restart, too" agrees_now

# --- what cannot be recovered so ---

sysct network create lab
sysct profile create lab
sysct profile set default limits.processes=500
sysct profile device add lab eth1 nic network=lab
sysct profile add copy-fast lab
settled
lose
victim=$(grep -l 'name: again-fast$' "$pools"/default/backups/*/*.yaml /dev/null || true)
is "$victim" "" "a description is in its own pool"
ok -n "pools are mounted to look into them" sysct admin recover --dry-run
like "$(cat "$TAP_OUTPUT")" 'copy-fast in pool fast: not possible: it needs the network "lab".*Missing.*network "lab"' "a network that is missing is named"
like "$(cat "$TAP_OUTPUT")" 'Problems:.*profile "default" is not what it was for ' "and a profile that is another one"
sysct profile set default limits.processes=500
lab=lab
sysct network create lab
broken=$(grep -l '  name: again-default$' "$pools"/default/backups/*/*.yaml)
cp "$broken" "$TMPDIR/whole.yaml"
for lines in 1 20 "$(($(wc -l <"$broken") - 1))"; do
	head -n "$lines" "$TMPDIR/whole.yaml" >"$broken"
	like "$(sysct admin recover --dry-run)" "Problems:.*${broken##*/} is left out: " "one that is cut off after $lines lines is named"
done
head -c 700 "$TMPDIR/whole.yaml" >"$broken"
ok -n "the others are recovered" recover
is "$(sysct list -f csv -c n | paste -sd ' ')" "again-fast again-plain copy-default copy-fast copy-plain default fast plain" "all of them"
is "$(sysct profile device get lab eth1 network)" lab "a profile that is missing is made as it was"
mv "$TMPDIR/whole.yaml" "$broken"
rm -r "$pools/default/$(rows "select l.directory from storage_layers l join instances_snapshots s on s.layer_id = l.id where s.name = 'new' and s.instance_id = (select id from instances where name = 'default')")"
ok -n "and that one when it is mended" recover
is "$(state again-default)" STOPPED "it is there"

settled
lose
ok -n "a snapshot whose files are gone is left out" recover
like "$(cat "$TAP_OUTPUT")" 'instance default in pool default, 3 snapshots' "the others are not"

# --- single ones: the database is of yesterday ---

settled
daemon_stop
cp "$SYSCT_DIR/sysct.db" "$TMPDIR/yesterday.db"
daemon_start
sysct copy default shared
sysct launch busybox late
sysct snapshot create late of-late
inside late 'echo late >/root/late'
settled
sysct stop -f late
daemon_stop
cp "$TMPDIR/yesterday.db" "$SYSCT_DIR/sysct.db"
daemon_start
fails -n "what was made since is not known" sysct info late
fails -n "what lies above what another one writes into again is left" recover
like "$(cat "$TAP_OUTPUT")" 'instance shared in pool default, 3 snapshots: not possible: .* instance "default" writes into' "which is told"
like "$(cat "$TAP_OUTPUT")" 'Recovered:.*instance late in pool default, 1 snapshot' "the rest is recovered"
is "$(sysct list -f csv -c n | wc -l)" 10 "beside the others"
ok -n "it starts" sysct start late
is "$(inside late 'cat /root/late')" late "as it was"
ok -n "its snapshot is restored" sysct restore late of-late
ok -n "and the one beside" sysct start default
sysct delete -f late
sysct stop -f default
# What was made of it is given up.
uuid=$(grep -l '  name: shared$' "$pools"/default/backups/*/*.yaml)
unlink "$uuid"
remove_strays

# --- instances that run ---

sysct start default fast
pids="$(instance_init_pid default) $(instance_init_pid fast)"
settled
lose KILL
# shellcheck disable=SC2086 # a list
is "$(kill -0 $pids && echo alive)" alive "instances run on"
complains 'of a lost database runs' sysct init busybox default
ok -n "they are recovered" recover
is "$(instance_init_pid default) $(instance_init_pid fast)" "$pids" "and run still"
is "$(state default)$(state fast)" RUNNINGRUNNING "which is seen"
is "$(inside default 'cat /root/file')$(inside fast 'cat /root/file')" oneone "commands run in them"
ok -n "they can be restarted" sysct restart -f default fast
sysct stop -f default fast

# --- pools that are not found by themselves ---

settled
daemon_stop
rm -f "$SYSCT_DIR"/sysct.db* "$pools"/default/backups/*/pools.yaml
daemon_start
sysct network create lab
like "$(sysct admin recover --dry-run)" 'pool plain: pool .plain. |Problems:.*plain' "a place whose pool is elsewhere is told of"
complains 'no pool of sysct' sysct admin recover --yes --pool other,source=/etc
complains 'is the pool "plain"' sysct admin recover --yes --pool other,source="$TMPDIR/plain"
complains 'is the pool "plain" of the driver dir' sysct admin recover --yes --pool plain,driver=overlay,source="$TMPDIR/plain"
is "$(grep -c " $pools/" /proc/self/mountinfo)" 0 "nothing is mounted after that"
jq '.config.wrong = "key"' "$TMPDIR/plain/pool.json" >"$TMPDIR/pool.json"
mv "$TMPDIR/plain/pool.json" "$TMPDIR/right.json"
cp "$TMPDIR/pool.json" "$TMPDIR/plain/pool.json"
fails -n "a pool that cannot be is left" recover --pool plain,source="$TMPDIR/plain"
like "$(cat "$TAP_OUTPUT")" 'pool fast.*Not recovered:.*pool plain: not possible: .*"wrong".*instance plain in pool plain, 4 snapshots: not possible: its pool' "with what lies in it, and the others are not"
mv "$TMPDIR/right.json" "$TMPDIR/plain/pool.json"
ok -n "it is when it is named" recover --pool plain,driver=dir,source="$TMPDIR/plain"
is "$(sysct storage get plain user.note)" "of the user" "with its own configuration"
is "$(sysct list -f csv -c n | wc -l)" 9 "all are there"

# --- kill -9 meanwhile ---

for point in $(points recover); do
	settled
	daemon_stop
	rm -f "$SYSCT_DIR"/sysct.db*
	SYSCT_FAULT=$point daemon_start
	sysct network create lab
	fails -n "$point: the daemon is gone" recover
	wait_until 20 daemon_gone
	wait "$daemon_pid" || true
	daemon_start
	ok -n "$point: it can be done again" recover
	is "$(sysct list -f csv -c n | wc -l)" 9 "$point: all are there"
	ok -n "$point: rows and directories agree" agrees_now
done
ok -n "there are such points" test "$(points recover | wc -l)" -ge 3
for pool in $all; do
	ok -n "$pool: it starts" sysct start "$pool"
	ok -n "$pool: a snapshot is restored" sysct restore "$pool" running
	is "$(inside "$pool" 'cat /root/file')" two "$pool: and is what it was"
done

# --- the daemon and its database go at once, before what changed is described ---

passes() { # POINT POOL: a command that comes there
	case $1 in
	snapshot.deleted | layers.*) sysct snapshot delete "$2" late ;;
	snapshot.*) sysct snapshot create "$2" --reuse other ;;
	restore.*) sysct restore "$2" running ;;
	esac
}
whole() { # POOL: it has its files of before or after, and those of each snapshot that there is
	local name file
	sysct start "$1" 2>/dev/null || [ "$(state "$1")" = RUNNING ] || return
	file=$(inside "$1" 'cat /root/file') && [[ $file = one || $file = two || $file = new ]] || return
	for name in $(sysct snapshot list "$1" -f csv | cut -d, -f1); do
		sysct restore "$1" "$name" && inside "$1" 'cat /root/file' || return
	done
}
for point in $(points crash-storage | grep -E '^(snapshot|restore|layers)[.]'); do
	for pool in default fast; do
		inside "$pool" 'echo new >/root/file'
		sysct snapshot create "$pool" --reuse late
		case $point in snapshot.layer) sysct stop -f "$pool" ;; esac
		settled
		daemon_stop KILL
		SYSCT_FAULT=$point daemon_start
		passes "$point" "$pool" >/dev/null 2>&1 || true
		daemon_stop KILL
		rm -f "$SYSCT_DIR"/sysct.db*
		daemon_start
		sysct network create lab
		ok -n "$point, $pool: all is recovered" recover
		ok -n "$point, $pool: and whole" whole "$pool"
	done
done
is "$(sysct list -f csv -c n | wc -l)" 9 "all are there"

stop_all
# shellcheck disable=SC2046 # a list
ok sysct delete $(sysct list -f csv -c n)
for pool in $all; do ok sysct storage volume delete "$pool" data; done
ok sysct storage volume delete default marked
remove_strays # of what was being made
ok sysct storage delete fast plain
is "$(ls -A "$TMPDIR/plain")" "" "a directory that was given is empty again"
sysct profile delete web lab
sysct network delete lab
daemon_end
done_testing
