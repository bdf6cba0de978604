#!/bin/bash
# Configuration, devices and profiles by Debian's lxc.
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

# edit WHAT... SCRIPT: `lxc WHAT edit` of what `lxc WHAT show` printed and sed changed.
edit() {
	local script=${*: -1}
	set -- "${@:1:$#-1}"
	lxc "$1" show "${@:2}" | sed "$script" >"$TMPDIR/edited" && lxc "$1" edit "${@:2}" <"$TMPDIR/edited"
}

# --- config
ok lxc config set box user.one=1 user.two="two words"
is "$(lxc config get box user.two)" "two words" "set KEY=VALUE..., get"
ok lxc config set box user.one 11
is "$(lxc config get box user.one)" 11 "set KEY VALUE"
ok lxc config unset box user.one
is "$(lxc config get box user.one)" "" "unset"
ok -n "a value from stdin" eval 'printf "from stdin" | lxc config set box user.three -'
is "$(lxc config get box user.three)" "from stdin" "is taken"
is "$(lxc config show box | grep -A1 '^profiles:' | tail -n 1)" "- default" "show"
is "$(lxc config show box | grep -c 'pool: default')" 0 "show has the instance's own devices"
is "$(lxc config show box --expanded | grep -c 'pool: default')" 1 "show --expanded has the profile's too"
ok -n "edit" edit config box 's/^description: .*/description: edited/; s/two words/three words/'
is "$(lxc config show box | grep '^description') $(lxc config get box user.two)" "description: edited three words" "edit changes both"
ok -n "edit can remove a key" edit config box '/user.two/d'
is "$(lxc config get box user.two)" "" "it is gone"
lxc config show box >"$TMPDIR/before"
complains "*did not find expected*" eval 'lxc config edit box <<<"config: ["'
complains 'unknown configuration key "no.such"' lxc config set box no.such 1
complains '*"limits.memory"*not a size*' lxc config set box limits.memory much
complains '*volatile.uuid*' lxc config set box volatile.uuid 1
complains "Instance not found*" lxc config set nobody user.x 1
is "$(lxc config show box)" "$(cat "$TMPDIR/before")" "what is refused changes nothing"
ok lxc config set box limits.processes 30
like "$(lxc exec box -- sh -c 'for i in $(seq 60); do sleep 1 & done' 2>&1)" "can't fork" "limits.processes acts on a running instance"
ok lxc config unset box limits.processes

# --- a change by somebody else in between
cat >"$TMPDIR/editor" <<-END
	#!/bin/sh
	LXD_CONF=$TMPDIR/lxc lxc config set box user.race other
	sed -i 's/^ephemeral: .*/ephemeral: true/' "\$1"
END
chmod +x "$TMPDIR/editor"
/usr/bin/env EDITOR="$TMPDIR/editor" script -qec 'lxc config edit box' /dev/null </dev/null >"$TMPDIR/race" 2>&1 || true
like "$(cat "$TMPDIR/race")" "ETag|Precondition" "an edit of what has changed meanwhile is refused (412)"
is "$(lxc config get box user.race) $(lxc config show box | grep ephemeral)" "other ephemeral: false" "and changes nothing"

# --- devices
is "$(lxc config device list box)" "" "no device of its own"
ok lxc config device add box nothing none
is "$(lxc config device list box) $(lxc config device get box nothing type)" "nothing none" "device add, list, get"
is "$(lxc config device show box | paste -sd ' ')" "nothing:   type: none" "device show"
complains "*already exists*" lxc config device add box nothing none
ok lxc config device remove box nothing
is "$(lxc config device show box)" "{}" "device remove"
complains "Device doesn't exist" lxc config device remove box nothing
complains "*not supported by sysct" lxc config device add box eth0 nic nictype=sriov parent=eth0
complains "*ceph*" lxc config device add box data disk source=ceph:pool/volume path=/mnt
is "$(lxc config device show box)" "{}" "what is refused changes nothing"

# --- the server's own configuration
ok lxc config set user.note hello
is "$(lxc config get user.note)" hello "a key of the server"
is "$(lxc config show | paste -sd ' ')" "config:   user.note: hello" "show of the server"
ok -n "edit of the server" eval 'lxc config edit <<<"config: {user.note: again}"'
is "$(lxc config get user.note)" again "is taken"
ok lxc config unset user.note
is "$(lxc config show)" "config: {}" "unset of the server"
complains '*"core.https_address" is not supported*' lxc config set core.https_address :8443
is "$(lxc config trust list --format csv)" "" "config trust list"

# --- profiles
is "$(lxc profile list --format csv)" "default,Default profile,1" "profile list"
like "$(lxc profile list)" $'NAME +\\| +DESCRIPTION +\\| USED BY .*\\| default ' "as a table"
ok lxc profile create web
complains '*already exists*' lxc profile create web
ok lxc profile set web environment.ROLE web
ok lxc profile set web user.a=1 user.b=2
is "$(lxc profile get web user.b)" 2 "profile set, get"
ok lxc profile unset web user.b
is "$(lxc profile get web user.b)" "" "profile unset"
ok -n "profile edit" edit profile web 's/^description: .*/description: of the web/; s/user.a: "1"/user.a: "one"/'
is "$(lxc profile show web | grep -E 'descr|user.a' | paste -sd ' ')" "  user.a: one description: of the web" "profile show"
ok lxc profile add box web
is "$(lxc exec box -- sh -c 'echo $ROLE')" web "an added profile acts"
is "$(lxc config show box --expanded | grep user.a)" "  user.a: one" "and is in the expanded configuration"
is "$(lxc profile show web | tail -n 1)" "- /1.0/instances/box" "used_by"
complains '*twice*' lxc profile add box web
complains 'Profile not found*' lxc profile add box nope
complains '*in use*' lxc profile delete web
ok lxc profile copy web web2
is "$(lxc profile show web2 | sed '/^used_by/,$d; s/web2/web/')" "$(lxc profile show web | sed '/^used_by/,$d')" "profile copy"
ok lxc profile set web2 user.a two
ok lxc profile add box web2
is "$(lxc config show box --expanded | grep user.a)" "  user.a: two" "the last profile wins"
ok lxc profile assign box default,web2,web
is "$(lxc config show box --expanded | grep user.a)" "  user.a: one" "profile assign gives the order"
ok lxc profile rename web2 web3
is "$(lxc list box --format csv -c P | paste -sd ' ')" $'"default web3 web"' "profile rename reaches the users"
ok lxc profile remove box web3
ok lxc profile assign box default
is "$(lxc list box --format csv -c P)" default "profile remove, assign"
complains "Profile web isn't currently applied to box" lxc profile remove box web
ok lxc profile device add web nothing none
is "$(lxc profile device list web) $(lxc profile device get web nothing type)" "nothing none" "profile device add, list, get"
ok lxc profile device remove web nothing
complains '*limits.memory*' lxc profile set web limits.memory much
complains 'unknown configuration key*' lxc profile set web no.such 1
ok lxc profile set default user.live yes
is "$(lxc config show box --expanded | grep user.live)" '  user.live: "yes"' "a change of a profile is seen at once"
ok lxc profile delete web
ok lxc profile delete web3
complains 'Profile not found*' lxc profile show web
complains '*cannot be deleted*' lxc profile delete default
is "$(lxc profile list --format csv | wc -l)" 1 "profile delete"

daemon_end
done_testing
