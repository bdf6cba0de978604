# Sourced by tests of Debian's `lxc`, after tap.sh and daemon.sh: points it at the daemon of this test.
# shellcheck shell=bash disable=SC2154 # tap.sh sets tap_status
[ -x /usr/bin/lxc ] || skip_all "lxc is not installed (Debian: lxd-client)"
export LXD_SOCKET=$SYSCT_DIR/unix.socket LXD_CONF=$TMPDIR/lxc LC_ALL=C.UTF-8
# `lxc` runs under this name in every test, and hangs in none.
lxc() { timeout 60 /usr/bin/lxc "$@"; }

# lxc_begin [IMAGE...]: a daemon with these images (busybox). `lxc launch` cannot build one: it asks for the alias first.
lxc_begin() {
	local image
	daemon_start
	lxc remote list >/dev/null 2>&1 || bail "lxc cannot write its configuration" # it greets at its first use
	for image in "${@:-busybox}"; do
		lxc query --wait -X POST /1.0/images -d '{"source": {"type": "template", "alias": "'"$image"'"}}' >/dev/null ||
			bail "the image $image cannot be built"
	done
}

# status NAME: "RUNNING", "STOPPED", "FROZEN", or nothing.
status() { lxc list "^$1\$" --format csv -c s; }

# obeys NAME: waits until busybox's init listens to its stop signal, which the kernel drops before; it catches SIGTSTP later.
obeys() { wait_until 20 catches_tstp "/proc/$(lxc list "^$1\$" --format csv -c p)/status"; }
catches_tstp() { [ $((0x$(awk '/^SigCgt/ { print $2 }' "$1") >> 19 & 1)) = 1 ]; }

# names: all instances in one line.
names() { lxc list --format csv -c n | paste -sd ' '; }

# complains WANT CMD...: fails with status 1, nothing on stdout, and exactly "Error: WANT" (a pattern of [[ = ]]) as its last line.
complains() {
	local want=$1 got problem=0
	shift
	tap_run "$@"
	got=$(tail -n 1 "$TAP_OUTPUT" | tr -d '\0')
	# shellcheck disable=SC2053 # a pattern
	[[ $tap_status -eq 1 && $got == "Error: "$want ]] || problem=1
	tap_result $problem "complains: $*" "status $tap_status, got: $got"$'\n'"want: Error: $want"
}
