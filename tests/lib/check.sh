# shellcheck shell=bash
# What ./check is made of; sourced. Every step ends in the sum $work/tally ("passed failed skipped"), and the sum is the
# last line, however the script ends.

work=$(mktemp -d)
: >"$work/tally"
declare -A background=()

say() { printf '\n== %s (%d:%02d)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60)); }

# must WHAT CMD...: without it nothing more can be tested.
must() {
	local what=$1
	shift
	say "$what"
	"$@" || { echo "FAILED $what" && exit 1; } # finish counts it
}

# tests WHAT CMD...: CMD counts its assertions in $work/tally; one that fails without having counted is one failure.
tests() {
	local what=$1 status=0 before
	before=$(failures)
	shift
	say "$what"
	"$@" || status=$?
	if [ $status -ne 0 ] && [ "$(failures)" -eq "$before" ]; then
		echo "FAILED $what (status $status)"
		echo 0 1 0 >>"$work/tally"
	fi
	return $status
}

failures() { awk '{ sum += $2 } END { print sum + 0 }' "$work/tally"; }

# later NAME CMD...: starts it with low priority; its output waits for collect. timeout gives it a process group to end.
later() {
	local name=$1
	shift
	timeout --kill-after=30 3600 nice "$@" >"$work/$name.log" 2>&1 &
	background[$name]=$!
}

# collect NAME: waits for it, shows what it printed and adds what it counted in $work/NAME.tally; its status is the command's.
collect() {
	local status=0
	wait "${background[$1]}" || status=$?
	unset "background[$1]"
	cat "$work/$1.log"
	if [ -e "$work/$1.tally" ]; then cat "$work/$1.tally" >>"$work/tally"; fi
	return $status
}

# shellcheck disable=SC2317 # called by trap
finish() {
	local status=$? name
	trap '' TERM INT HUP
	for name in "${!background[@]}"; do
		kill -TERM "${background[$name]}" 2>/dev/null || true
	done
	wait
	[ $status -eq 0 ] || echo 0 1 0 >>"$work/tally"
	if [ "${SUDO_UID:-}" ]; then # what root made in the tree belongs to its owner
		find . -xdev -user root -exec chown -h --reference=. {} +
	fi
	echo
	tests/lib/tally "$work/tally" || status=1
	rm -rf "$work"
	exit $status
}
trap finish EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
trap 'exit 129' HUP
