#!/bin/bash
# Backups of custom volumes: what goes into one comes back from it, on every driver; those that are kept, those of the wrong
# kind, and the daemon that is killed meanwhile.
set -euo pipefail
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/daemon.sh"
. "$(dirname "$0")/../lib/backup_data.sh"
cd "$TMPDIR"

index_of() { tar -xOf "$1" backup/index.yaml; }
volumes=/1.0/storage-pools/default/volumes/custom
data_in() { "$top/tests/lib/manifest" "$(volume_tree "$1" "$2")" 0; }
snapshots_of() { sysct query "/1.0/storage-pools/$1/volumes/custom/$2/snapshots?recursion=1" | jq -r '.[].name | sub(".*/"; "")' | paste -sd ' '; }

daemon_start
sysct launch busybox box
sysct storage volume create default data user.note=kept --description 'some data'
sysct storage volume attach default data box data /data
fill_tree "$(volume_tree default data)" 0
then=$(data_in default data)
sysct storage volume snapshot default data first --description 'the first'
sysct exec box -- sh -c 'echo more >>/data/plain; rm -r /data/a; mkdir /data/a; echo new >/data/a/new; rm /data/fifo'
now=$(data_in default data)
layers=$(layer_count)

# --- there
ok sysct storage volume export default data
ok -n "nothing is left of making it" wait_until 20 nothing_left
same_layers() { [ "$(layer_count)" = "$layers" ]; }
ok -n "and no layer" wait_until 20 same_layers
is "$(tar -tf data.tar.zst 2>/dev/null | sed 's,/$,,' | sed -n '1,2p' | paste -sd ' ')" "backup/index.yaml backup/volume-snapshots/first" "the index comes first"
is "$(index_of data.tar.zst | grep -c 'type: custom')" 2 "it is of a custom volume"
fails sysct storage volume export default data
is "$tap_status" 4 "a file that is there is not overwritten"
fails sysct storage volume export default none
is "$tap_status $(ls none* 2>/dev/null)" "3 " "a volume that is not there leaves no file"
complains 'have no|it has no optimized format' sysct storage volume export default data other.tar --optimized-storage
ok sysct storage volume export default data only.tar --volume-only --compression none
is "$(tar -tf only.tar | grep -c ^backup/volume-snapshots)" 0 "--volume-only"
ok -n "to standard output" eval 'sysct storage volume export default data - --compression gzip >piped'
is "$(head -c 2 piped | od -An -tx1 | tr -d ' ')" 1f8b "--compression gzip"

# --- and back
for driver in "" dir "btrfs size=300MiB"; do
	pool=default
	if [ -n "$driver" ]; then
		pool=other
		# shellcheck disable=SC2086 # a driver and its options
		ok sysct storage create other $driver
	fi
	ok -n "${driver:-overlay}: import" sysct storage volume import $pool data.tar.zst two
	ok -n "${driver:-overlay}: nothing is left of it" wait_until 20 nothing_left
	is "$(data_in $pool two)" "$now" "files, links, holes, owners, attributes and lists are the same"
	is "$(snapshots_of $pool two)" first "it has the snapshot"
	is "$(sysct query /1.0/storage-pools/$pool/volumes/custom/two/snapshots/first | jq -r .description)" "the first" "with its description"
	is "$(sysct query /1.0/storage-pools/$pool/volumes/custom/two | jq -rc '[.description, .config, .created_at]')" \
		"$(sysct query $volumes/data | jq -rc '[.description, .config, .created_at]')" "description, configuration and time of creation"
	ok sysct storage volume export $pool two again.tar.zst
	ok sysct storage volume restore $pool two first
	is "$(data_in $pool two)" "$then" "the snapshot's files come back"
	ok sysct storage volume delete $pool two
	ok -n "what was exported there comes back, too" sysct storage volume import default again.tar.zst two
	is "$(data_in default two)" "$now" "and is the same"
	ok sysct storage volume delete default two
	[ -z "$driver" ] || ok sysct storage delete other
	rm again.tar.zst
done
complains 'already exists' sysct storage volume import default data.tar.zst
complains 'not a name for a volume' sysct storage volume import default data.tar.zst -- -x
complains 'not found' sysct storage volume import nowhere data.tar.zst x
ok sysct storage volume import default data.tar.zst noted --config user.note=other
is "$(sysct storage volume get default noted user.note)" other "a key in place of the backup's"
complains 'has no key "nonsense".*--config KEY=' sysct storage volume import default data.tar.zst x --config nonsense=1

# --- while instances write
ok sysct storage create fast btrfs size=300MiB
ok sysct storage volume copy default/data fast/data
ok sysct storage volume attach fast data box fast /fast
mkfifo slow
sysct storage volume export fast data - --compression none >slow 2>/dev/null &
exporter=$!
exec 5<slow
head -c 1000 <&5 >begun
sysct exec box -- sh -c 'rm -r /fast/a; echo new >/fast/new'
ok -n "its snapshot is deleted meanwhile" sysct storage volume delete fast data/first
cat <&5 >>begun
exec 5<&-
ok -n "the export goes on" wait $exporter
ok sysct storage volume import fast begun two
is "$(data_in fast two)" "$now" "it has what was there when it began"
ok sysct storage volume delete fast two
ok -n "nothing is left of the layers that were held" wait_until 20 nothing_left

# --- kept backups
backups() { sysct query $volumes/data/backups | jq -r '.[]' | sed 's,.*/,,' | paste -sd ' '; }
make_backup() { sysct query -X POST --wait $volumes/data/backups -d "$1"; }
files() { find "$SYSCT_DIR/backups" -type f | wc -l; }
ok make_backup '{}'
ok make_backup '{"name": "", "volume_only": true}'
is "$(backups) $(files)" "backup0 backup1 2" "kept backups get numbers"
complains 'already exists' make_backup '{"name": "backup1"}'
complains 'not a name' make_backup '{"name": "a/b"}'
is "$(sysct query $volumes/data/backups/backup1 | jq -c '[.name, .volume_only, .optimized_storage]')" '["backup1",true,false]' "one of them"
ok sysct query -X POST --wait $volumes/data/backups/backup1 -d '{"name": "renamed"}'
curl -s --unix-socket "$SYSCT_DIR/unix.socket" -o kept.tar.gz "http://x$volumes/data/backups/backup0/export"
ok -n "one is downloaded, and imported" sysct storage volume import default kept.tar.gz two
ok sysct query -X DELETE --wait $volumes/data/backups/renamed
is "$(backups) $(files)" "backup0 1" "deleted"
ok make_backup "{\"expires_at\": \"$(date -u -d '+1 second' +%FT%TZ)\"}"
ok -n "one expires" wait_until 20 eval '[ "$(backups) $(files)" = "backup0 1" ]'
operations=()
for _ in 1 2 3; do operations+=("$(sysct query --raw -X POST $volumes/data/backups -d '{"compression_algorithm": "none"}' | jq -r .operation)"); done
for operation in "${operations[@]}"; do is "$(sysct query "$operation/wait" | jq -r .status)" Success "of several at once"; done
is "$(backups)" "backup0 backup1 backup2 backup3" "each has a number of its own"
ok sysct storage volume detach default data box
ok sysct storage volume rename default data named
is "$(sysct query $volumes/named/backups | jq length)" 4 "they stay with a volume that is renamed"
ok sysct storage volume delete default named
is "$(files)" 0 "and go with it"

# --- of the wrong kind
sysct export box box.tar.zst
complains "backup of an instance: it is for 'sysct import'" sysct storage volume import default box.tar.zst
complains "backup of a custom volume: it is for 'sysct storage volume import'" sysct import data.tar.zst
ok -n "nothing is left of them" wait_until 20 nothing_left

# --- killed
sysct storage volume create default big
sysct storage volume attach default big box big /big
sysct exec box -- sh -c 'head -c 60000000 /dev/urandom >/big/noise'
killed_while sysct storage volume export default big - --compression none
sysct storage volume export default big big.tar --compression none
mkfifo upload
sysct storage volume import default - half <upload 2>/dev/null &
client=$!
exec 6>upload
head -c 30000000 big.tar >&6
unpacking() { [ -n "$(find "$SYSCT_DIR/storage-pools/default/layers" -path '*/.new-*/noise')" ]; }
ok -n "an upload is under way" wait_until 20 unpacking
daemon_stop KILL
exec 6>&-
fails -n "the client of a daemon that was killed" wait $client
daemon_start
ok -n "nothing is left after a restart" wait_until 20 nothing_left
is "$(sysct storage volume list default -f csv | grep -c half)" 0 "no volume either"
daemon_end
done_testing
