# Sourced by tests of backups, after daemon.sh: files of every kind in an instance that runs, and what it has then.
# shellcheck shell=bash disable=SC2154 # daemon.sh sets top

# inside NAME: its root, seen from the host.
inside() { echo "/proc/$(instance_init_pid "$1")/root"; }

# fill_data NAME: /data in it.
fill_data() {
	local root
	root=$(inside "$1")
	fill_tree "$root/data" "$(stat -c %u "$root")"
}

# fill_tree DIRECTORY BASE: with ids from BASE on.
fill_tree() {
	python3 - "$@" <<-'END'
		import os, socket, struct, sys
		top, base = os.fsencode(sys.argv[1]), int(sys.argv[2])
		os.makedirs(top + b"/a/b", exist_ok=True)
		def write(name, text=b"text"):
		    with open(top + b"/" + name, "wb") as file:
		        file.write(text)
		for name in b"plain", b".wh.name", b".wh..wh..opq", b"new\nline", b"no\xffutf8", "ü".encode(), b"-dash", b"x" * 255:
		    write(name, name)
		deep = b"deep/" + b"/".join([b"d" * 200] * 15)
		os.makedirs(top + b"/" + deep)
		write(deep + b"/file")
		write(b"owned")
		os.symlink(b"/nowhere/\xfe", top + b"/link")
		os.symlink(b"a", top + b"/to-directory")
		os.link(top + b"/plain", top + b"/a/hard")
		os.mkfifo(top + b"/fifo", 0o640)
		os.chdir(top)
		socket.socket(socket.AF_UNIX).bind(b"socket")
		with open(top + b"/sparse", "wb") as file:
		    file.seek(1 << 20)
		    file.write(b"middle")
		    file.truncate(40 << 20)
		with open(top + b"/hole", "wb") as file:
		    file.truncate(3 << 20)
		write(b"set-uid")
		write(b"capable")
		for directory, directories, files in os.walk(top):
		    for name in [b"."] + directories + files:
		        os.lchown(directory + b"/" + name, base, base)
		os.chown(top + b"/owned", base + 1000, base + 65535)
		os.chmod(top + b"/set-uid", 0o4755)
		os.chmod(top + b"/a/b", 0o1777)
		os.setxattr(top + b"/a", "user.note", b"\0binary\xff")
		os.setxattr(top + b"/capable", "security.capability", struct.pack("<IIIIII", 0x03000001, 1 << 13, 0, 0, 0, base))
		def acl(*entries):
		    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
		none = 0xFFFFFFFF
		entries = (1, 7, none), (2, 5, base + 1234), (4, 5, none), (8, 1, base + 77), (16, 7, none), (32, 0, none)
		os.setxattr(top + b"/a/b", "system.posix_acl_access", acl(*entries))
		os.setxattr(top + b"/a/b", "system.posix_acl_default", acl(*entries))
		os.utime(top + b"/plain", (1000000000, 1000000000))
	END
}

# volume_tree POOL VOLUME: its files on the disk, with ids from 0 on.
volume_tree() {
	echo "$SYSCT_DIR/storage-pools/$1/$(sqlite3 "$SYSCT_DIR/sysct.db" "select l.directory from storage_volumes v join storage_layers l on l.id = v.layer_id join storage_pools p on p.id = v.pool_id where v.name = '$2' and p.name = '$1'")/rootfs"
}

# data_of NAME: what /data is.
data_of() {
	local root
	root=$(inside "$1")
	"$top/tests/lib/manifest" "$root/data" "$(stat -c %u "$root")"
}

# nothing_left: of imports and exports that failed.
nothing_left() {
	[ -z "$(find "$SYSCT_DIR/storage-pools" -mindepth 2 -maxdepth 3 -name '.new-*')" ] &&
		[ -z "$(find "$SYSCT_DIR/backups" "$SYSCT_DIR/tmp/backups" -mindepth 1 2>/dev/null)" ] &&
		! pgrep -f "sysct-(un)?pack.*$SYSCT_DIR" >/dev/null && layers_agree
}

layers_agree() {
	diff <(sqlite3 "$SYSCT_DIR/sysct.db" 'select p.name || "/" || directory from storage_layers join storage_pools p on p.id = pool_id' | sort) \
		<(cd "$SYSCT_DIR/storage-pools" && find ./*/instances ./*/layers -mindepth 1 -maxdepth 1 | sed 's,^./,,' | sort)
}

layer_count() { sqlite3 "$SYSCT_DIR/sysct.db" 'select count(*) from storage_layers where dead = 0'; }

# killed_while COMMAND...: it is an export to standard output, in the middle of which the daemon is killed.
killed_while() {
	local layers exporter
	layers=$(layer_count)
	mkfifo killed
	"$@" 2>/dev/null >killed &
	exporter=$!
	exec 5<killed
	head -c 1000 <&5 >/dev/null
	daemon_stop KILL
	exec 5<&-
	wait $exporter 2>/dev/null || true
	rm killed
	daemon_start
	ok -n "nothing is left of an export" wait_until 20 nothing_left
	is "$(layer_count)" "$layers" "no layer either"
}
