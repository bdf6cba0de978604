#!/bin/bash
# Debian 12 as a host: boots the machine once, with what `make install` installs, runs the programs of in-guest/ there and
# hands their assertions on. README.md tells what they prove.
set -euo pipefail
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=${SYSCT_BUILD:-$top/build}
[ -e "$build/Makefile" ] || skip_all "SYSCT_BUILD names no build directory that could be installed from"
[ -x "$(command -v qemu-system-x86_64)" ] || skip_all "qemu-system-x86_64 is not installed (Debian: qemu-system-x86)"
tree=$(mktemp -d "${SYSCT_TEST_TMP:-/var/tmp}/sysct-vm-tree.XXXXXX")
trap 'rm -rf "$tree"' EXIT
trap 'exit 143' TERM

make_tree() {
	local images name
	make -s -C "$build" install DESTDIR="$tree/installed" && cp -a "$top/tests" "$tree/tests" && mkdir "$tree/images" &&
		images=$("$here/../lib/images" debian-12 busybox) || return
	for name in debian-12 busybox; do # links where that is possible
		cp -al "$images/$name" "$tree/images/" 2>/dev/null || cp -a "$images/$name" "$tree/images/" || return
	done
}

program='' seen=0 planned=''

verdict() { # "ok"|"not ok" TEXT
	tap_count=$((tap_count + 1))
	[ "$1" = ok ] || tap_failed=$((tap_failed + 1))
	echo "$1 $tap_count - $program: $2"
}

# A program that dies, or whose plan is not what it did, is a failure of its own.
ended() { # STATUS
	if [ "$planned" != "$seen" ] || [ "$1" -gt 1 ]; then
		verdict "not ok" "planned ${planned:-nothing}, ran $seen, status $1"
	fi
	program=''
}

relay() { # LINE
	case $1 in
	'program '*) program=${1#program } seen=0 planned='' ;;
	'ended '*) ended "${1#ended }" ;;
	'machine '*) machine=${1#machine } ;;
	1..*) planned=${1#1..} planned=${planned%% *} ;;
	'ok '* | 'not ok '*)
		seen=$((seen + 1))
		verdict "${1%% [0-9]*}" "${1#* - }"
		;;
	*) echo "# ${1#\# }" ;;
	esac
}

make_tree >"$TAP_OUTPUT" 2>&1 || { diag "$(tail -n 20 "$TAP_OUTPUT")"; bail "nothing to test: make install or an image failed"; }
machine=''
programs=0
while IFS= read -r line; do
	[[ $line != 'program '* ]] || programs=$((programs + 1))
	relay "$line"
done < <("$here/run" "$tree" -- tests/vm/in-guest/all 2>&1 || echo "machine $?")
[ -z "$program" ] || ended 125
program=machine
is "$machine" "" "the machine came to the end of its command"
is "$programs" "$(find "$here/in-guest" -name '*.t' | wc -l)" "every program ran"
done_testing
