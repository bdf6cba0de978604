# Sourced by tests that compare with Debian's lxd, after tap.sh and daemon.sh: one of the test's own, with a pool of the
# driver dir.
# shellcheck shell=bash
[ -x /usr/bin/lxd ] || skip_all "lxd is not installed (Debian: lxd)"
lxd_directory=$TMPDIR/lxd
lxd_pid=

# their CMD...: with the socket of that lxd, not ours.
their() { env -u LXD_SOCKET LXD_DIR="$lxd_directory" LXD_CONF="$TMPDIR/lxd-client" LC_ALL=C.UTF-8 timeout 120 "$@"; }

lxd_begin() {
	mkdir -p "$lxd_directory" "$TMPDIR/lxd-client"
	LXD_DIR=$lxd_directory setsid lxd --group root --logfile "$TMPDIR/lxd.log" >"$TMPDIR/lxd.out" 2>&1 </dev/null &
	lxd_pid=$!
	their lxd waitready --timeout=60 || bail "lxd does not start: $(tail -n 5 "$TMPDIR/lxd.log" "$TMPDIR/lxd.out")"
	their lxc storage create default dir >/dev/null 2>&1
	their lxc profile device add default root disk path=/ pool=default >/dev/null
}

lxd_end() {
	their lxd shutdown || true
	wait "$lxd_pid" || true
	lxd_pid=
}

# their_image [NAME ALIAS]: from an image of the tests (busybox), as ALIAS.
their_image() {
	local name=${1:-busybox} directory=$TMPDIR/their-image
	mkdir "$directory" "$directory/rootfs"
	printf 'architecture: %s\ncreation_date: 1700000000\nproperties:\n  os: %s\n' "$(uname -m)" "$name" >"$directory/metadata.yaml"
	tar -C "$directory/rootfs" -xf "$SYSCT_TEST_IMAGES/$name/rootfs.tar"
	tar -C "$directory" -cf "$TMPDIR/their.tar" metadata.yaml rootfs
	rm -r "$directory"
	their lxc image import "$TMPDIR/their.tar" --alias "${2:-busybox}" >/dev/null
}
