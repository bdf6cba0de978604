#!/bin/bash
# Images, aliases, storage, projects, cluster, operations, events, raw queries and refusals by Debian's lxc.
# shellcheck disable=SC2016 # what is in single quotes is for the shell in the instance
set -euo pipefail
here=$(dirname "$0")
# shellcheck source=../lib/tap.sh
. "$here/../lib/tap.sh"
# shellcheck source=../lib/daemon.sh
. "$here/../lib/daemon.sh"
# shellcheck source=../lib/lxc.sh
. "$here/../lib/lxc.sh"

lxc_begin busybox
lxc launch -q busybox box 2>/dev/null || bail "launch"
fingerprint=$(lxc query /1.0/images/aliases/busybox | sed -n 's/.*"target": "\(.*\)".*/\1/p')
json() { python3 -c 'import json,sys; value = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; } # EXPRESSION of value

# --- images
like "$fingerprint" '^[0-9a-f]{64}$' "an alias has a fingerprint"
is "$(lxc image list --format csv -c lfFpdat)" \
	"busybox,${fingerprint:0:12},$fingerprint,no,$(lxc image get-property busybox description),$(uname -m),CONTAINER" "image list with columns"
like "$(lxc image list)" $'ALIAS +\\| +FINGERPRINT .*\\| busybox +\\| ' "as a table"
is "$(lxc image list --format json | json 'len(value), value[0]["fingerprint"]')" "(1, '$fingerprint')" "as JSON"
is "$(lxc image list busy --format csv -c f) $(lxc image list nope --format csv)" "${fingerprint:0:12} " "by a part of the alias"
is "$(lxc image list os=Busybox --format csv -c l) $(lxc image list os=nope --format csv)" "busybox " "by a property"
like "$(lxc image info busybox)" $'^Fingerprint: '"$fingerprint"$'\nSize: [0-9.]+[kM]B\nArchitecture: .*Created: 20.*Expires: never.*os: Busybox.*Aliases:\n +- busybox\n' "image info by alias"
is "$(lxc image info "${fingerprint:0:10}" | head -n 1)" "Fingerprint: $fingerprint" "by a part of the fingerprint"
like "$(lxc image show busybox)" $'auto_update: false\nproperties:\n.*os: Busybox\n.*public: false' "image show"
ok lxc image set-property busybox note "a note"
is "$(lxc image get-property busybox note)" "a note" "image set-property"
ok lxc image unset-property busybox note
is "$(lxc image show busybox | grep -c note)" 0 "image unset-property takes it away"
ok -n "image edit" eval 'lxc image show busybox | sed "s/os: Busybox/os: Edited/" | lxc image edit busybox'
is "$(lxc image get-property busybox os)" Edited "is taken"
complains '*public images are not supported*' eval 'lxc image show busybox | sed "s/public: false/public: true/" | lxc image edit busybox'
ok lxc image alias create bb/1 "$fingerprint"
is "$(lxc image alias list --format csv)" "bb/1,${fingerprint:0:12},CONTAINER,"$'\n'"busybox,${fingerprint:0:12},CONTAINER," "image alias create, list"
complains '*already exists*' lxc image alias create bb/1 "$fingerprint"
complains '*not found*' lxc image alias create other 0123456789
ok lxc image alias rename bb/1 bb/2
ok -n "an instance by an alias with a slash" lxc init -q bb/2 slash
ok lxc image alias delete bb/2
complains '*not found*' lxc image alias delete bb/2
complains 'Image not found*' lxc image info nope
complains 'Image not found*' lxc image delete nope
complains '*"export" of an image is not supported*' lxc image export busybox "$TMPDIR/exported"
complains '*not supported*' lxc image import "$0"
ok lxc image delete busybox
is "$(lxc image list --format csv) $(lxc image alias list --format csv)" " " "image delete takes its aliases along"
ok -n "its instances go on" lxc exec box -- true
ok lxc start slash
ok lxc delete --force slash

# --- storage
is "$(lxc storage list --format csv | cut -d, -f1,2,5,6)" "default,overlay,2,CREATED" "storage list"
like "$(lxc storage show default)" $'name: default\ndriver: overlay\nused_by:\n- /1.0/instances/box\n- /1.0/profiles/default\nstatus: Created' "storage show"
like "$(lxc storage info default)" $'space used: [0-9.]+[KMGT]iB\n +total space: [0-9.]+[KMGT]iB\n.*instances:\n +- box' "storage info"
is "$(lxc storage volume list default --format csv | cut -d, -f1,2)" "container,box" "storage volume list"
complains '*not found*' lxc storage show other

# --- projects, cluster, hardware
is "$(lxc project list --format csv | cut -d, -f1-5)" "default (current),YES,YES,YES,YES" "project list"
like "$(lxc project show default)" $'name: default\nused_by:\n- /1.0/instances/box' "project show"
complains '*does not take POST*' lxc project create other
complains '*no project "other"*' lxc list --project other
is "$(lxc query /1.0/cluster | json 'value["enabled"], value["server_name"]')" "(False, '')" "no cluster"
complains '*"clustering"*' lxc cluster list
like "$(lxc info --resources)" $'^CPU.*\nMemory:\n.*Total: [0-9.]+[MGT]iB' "info --resources"

# --- raw queries
is "$(lxc query /1.0/instances | json value)" "['/1.0/instances/box']" "query"
is "$(lxc query '/1.0/instances?recursion=1' | json 'value[0]["name"]')" box "query with recursion"
is "$(lxc query --raw /1.0 | json 'value["type"], value["status_code"], value["error_code"]')" "('sync', 200, 0)" "query --raw"
is "$(lxc query --wait -X PUT -d '{"action": "freeze"}' /1.0/instances/box/state | json 'value["status"], value["class"]')" \
	"('Success', 'task')" "query --wait returns the operation's end"
is "$(status box)" FROZEN "which was done"
complains 'The instance is already frozen' lxc query --wait -X PUT -d '{"action": "freeze"}' /1.0/instances/box/state
ok lxc start box
complains '*' lxc query /1.0/nothing
complains 'unknown field "nope"' lxc query -X POST -d '{"nope": 1}' /1.0/instances
complains '*JSON*' lxc query -X POST -d '{"nope"' /1.0/instances
complains '*' lxc query -X POST -d '{"source": {"type": "image", "alias": "/etc"}, "name": "../etc"}' /1.0/instances
is "$(names)" box "what is refused makes nothing"

# --- operations
/usr/bin/lxc exec box -- sleep 1000 &
client=$!
running() { lxc operation list --format csv | grep ',WEBSOCKET,Executing command,RUNNING,'; }
ok -n "operation list shows a running exec" wait_until 10 running
id=$(running | cut -d, -f1)
like "$(lxc operation show "$id")" $'id: '"$id"$'\nclass: websocket\n.*status: Running\nstatus_code: 103\n.*resources:\n +instances:\n +- /1.0/instances/box' "operation show"
complains "this operation can't be cancelled" lxc operation delete "$id"
kill $client
wait $client 2>/dev/null || true
ended() { lxc operation show "$id" | grep -q '^status: Success'; }
ok -n "it ends with its command" wait_until 10 ended
complains '*not found*' lxc operation show 5c0ee4c2-0000-4000-8000-000000000000
# A template that waits until it is told, so that there is something to cancel.
cat >"$SYSCT_DIR/etc/templates/sysct-slow" <<-'END'
	#!/bin/sh
	case $1 in
	match) [ "$2" = slow ] || exit 3; echo '{"options": {}, "aliases": ["slow"], "description": "never ends"}' ;;
	build) exec sleep 1000 ;;
	*) echo '{"name": "slow", "description": "", "aliases": ["slow"], "options": {}}' ;;
	esac
END
chmod +x "$SYSCT_DIR/etc/templates/sysct-slow"
id=$(lxc query -X POST -d '{"source": {"type": "template", "alias": "slow"}}' /1.0/images | json 'value["id"]')
is "$(lxc operation list --format csv | grep "^$id" | cut -d, -f2-5)" "TASK,Building image,RUNNING,YES" "an operation that can be cancelled"
ok lxc operation delete "$id"
cancelled() { lxc operation show "$id" | grep -q '^status: Cancelled'; }
ok -n "operation delete cancels it" wait_until 10 cancelled
is "$(lxc image list --format csv)" "" "and nothing is made"

# --- events
/usr/bin/lxc monitor --format json >"$TMPDIR/events" 2>&1 &
monitor=$!
/usr/bin/lxc monitor --type lifecycle >"$TMPDIR/lifecycle" &
lifecycle=$!
# A key that is set again and again until both listen.
both_listen() {
	lxc config set box user.tick "$EPOCHREALTIME"
	grep -q instance-updated "$TMPDIR/events" && grep -q instance-updated "$TMPDIR/lifecycle"
}
ok -n "monitor shows changes" wait_until 20 both_listen
lxc pause box
lxc start box
lxc profile create seen >/dev/null
lxc profile delete seen >/dev/null
saw_end() { grep -q profile-deleted "$TMPDIR/events" && grep -q profile-deleted "$TMPDIR/lifecycle"; }
ok -n "up to the last one" wait_until 20 saw_end
kill $monitor $lifecycle
wait $monitor $lifecycle 2>/dev/null || true
# The client prints each from a thread of its own, so in any order: the times tell the right one.
grep . "$TMPDIR/events" | python3 -c '
import json, sys
for event in sorted(map(json.loads, sys.stdin), key=lambda e: e["timestamp"]):
    print(json.dumps(event))' >"$TMPDIR/sorted"
actions=$(python3 -c '
import json, sys
print(" ".join(e["metadata"]["action"] + ":" + e["metadata"]["source"] for e in map(json.loads, sys.stdin) if e["type"] == "lifecycle"))' <"$TMPDIR/sorted")
like "$actions" "instance-paused:/1.0/instances/box instance-resumed:/1.0/instances/box profile-created:/1.0/profiles/seen profile-deleted:/1.0/profiles/seen" \
	"lifecycle events in their order"
states=$(python3 -c '
import json, sys
events = [json.loads(line) for line in sys.stdin]
print(" ".join(e["metadata"]["status"] for e in events if e["type"] == "operation" and e["metadata"]["description"] == "Freezing instance"))' <"$TMPDIR/sorted")
is "$states" "Pending Running Success" "operation events: Pending, Running, Success"
is "$(grep -c 'type: operation' "$TMPDIR/lifecycle")" 0 "monitor --type shows no other type"

# --- what is not there
complains '*not supported*' lxc snapshot box stateful --stateful
complains '*VM but image is of type container*' eval 'lxc query --wait -X POST -d "{\"source\": {\"type\": \"template\", \"alias\": \"busybox\"}}" /1.0/images >/dev/null && lxc init busybox other --vm'
complains '*instance_type is not supported*' lxc init busybox other -t c1-m1
complains '*no*pool*' lxc init busybox other -s nowhere
complains '*' lxc init busybox other -p nope
is "$(names)" box "nothing of that was made"

daemon_end
done_testing
