/*
 * sysct-unpack with archives that mean harm, and with honest ones that have
 * everything a root file system may have. Needs root, python3 and
 * libexec/sysct-unpack in the directory it is run from, or SYSCT_LIBEXEC.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"
#include "file.h"
#include "memory.h"
#include "strbuf.h"

static char *directory; /* of all tests */
static char *program;

/* Each call of archive() writes NAME.tar; add() adds one member. */
static const char maker[] =
	"import base64, gzip, io, os, struct, sys, tarfile\n"
	"os.chdir(sys.argv[1])\n"
	"def add(t, name, kind=tarfile.REGTYPE, data=b'', link='', mode=0o644, uid=0, gid=0, "
	"pax={}):\n"
	"    m = tarfile.TarInfo(name); m.type = kind; m.size = len(data); m.linkname = link\n"
	"    m.mode = mode; m.uid = uid; m.gid = gid; m.pax_headers = pax; m.mtime = 1000000000\n"
	"    t.addfile(m, io.BytesIO(data))\n"
	"def archive(name, *members, **options):\n"
	"    with tarfile.open(name + '.tar', 'w', format=tarfile.PAX_FORMAT) as t:\n"
	"        for m in members: add(t, **m)\n"
	"S, L, D = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE\n"
	"evil = dict(name='x/passwd', data=b'evil')\n"
	"archive('dotdot', dict(name='../outside', data=b'evil'))\n"
	"archive('inner-dotdot', dict(name='a', kind=D, mode=0o755), dict(name='a/../../outside', "
	"data=b'evil'))\n"
	"archive('absolute', dict(name='/outside', data=b'evil'))\n"
	"archive('link-up', dict(name='x', kind=S, link='../..'), dict(name='x/outside', "
	"data=b'evil'))\n"
	"archive('link-absolute', dict(name='x', kind=S, link='/etc'), evil)\n"
	"archive('link-inside', dict(name='etc', kind=D, mode=0o755), dict(name='x', kind=S, "
	"link='etc'), evil)\n"
	"archive('link-deep', dict(name='a', kind=D, mode=0o755), dict(name='a/x', kind=S, "
	"link='..'), dict(name='a/x/passwd', data=b'evil'))\n"
	"archive('directory-over-link', dict(name='x', kind=S, link='/etc'), dict(name='x', "
	"kind=D, mode=0o777))\n"
	"archive('late-link', dict(name='x/a', data=b''), dict(name='y', kind=S, link='..'), "
	"dict(name='x/b', data=b''), dict(name='y/outside', data=b'evil'))\n"
	"archive('hardlink-absolute', dict(name='x', kind=L, link='/etc/passwd'))\n"
	"archive('hardlink-up', dict(name='x', kind=L, link='../../metadata'))\n"
	"archive('hardlink-through-link', dict(name='y', kind=S, link='/etc'), dict(name='x', "
	"kind=L, link='y/passwd'))\n"
	"archive('uid', dict(name='a/file', data=b'x', uid=65536))\n"
	"archive('gid', dict(name='a/file', data=b'x', gid=4294967295))\n"
	"acl = lambda uid: struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *e) for e in ((1, "
	"7, 0xffffffff), (2, 7, uid), (4, 5, 0xffffffff), (16, 7, 0xffffffff), (32, 5, "
	"0xffffffff)))\n"
	"text = lambda b: b.decode('utf-8', 'surrogateescape')\n"
	"def raw(name, key, value):\n"
	"    m = tarfile.TarInfo(name); m.mtime = 1000000000; m.mode = 0o640\n"
	"    record = b' ' + key.encode() + b'=' + value + b'\\n'; n = len(record)\n"
	"    while len(str(n)) + len(record) != n: n = len(str(n)) + len(record)\n"
	"    body = str(n).encode() + record\n"
	"    x = tarfile.TarInfo('pax'); x.type = tarfile.XHDTYPE; x.size = len(body)\n"
	"    return x.tobuf(tarfile.USTAR_FORMAT) + body + b'\\0' * (-len(body) % 512) + "
	"m.tobuf(tarfile.USTAR_FORMAT)\n"
	"def rawtar(name, *blocks): open(name + '.tar', 'wb').write(b''.join(blocks) + b'\\0' * "
	"1024)\n"
	"cap = bytes.fromhex('0100000200200000000000000000000000000000')\n"
	"rawtar('attributes', raw('./ping', 'SCHILY.xattr.security.capability', cap), "
	"raw('./trusted', 'SCHILY.xattr.trusted.overlay.opaque', b'y'), raw('./user', "
	"'SCHILY.xattr.user.note', b'hello'), raw('./acl', 'SCHILY.xattr.system.posix_acl_access', "
	"acl(1000)), raw('./selinux', 'SCHILY.xattr.security.selinux', b'x'))\n"
	"rawtar('acl-id', raw('./acl', 'SCHILY.xattr.system.posix_acl_access', acl(70000)))\n"
	"rawtar('native-acl-id', raw('./acl', 'SCHILY.acl.access', "
	"b'user::rw-,user:lisa:rw-:70000,group::r--,mask::rw-,other::r--'))\n"
	"archive('honest', dict(name='./', kind=D, mode=0o755), dict(name='./bin', kind=D, "
	"mode=0o755), dict(name='./bin/su', data=b'#!', mode=0o4755), dict(name='./bin/su2', "
	"kind=L, link='./bin/su'), dict(name='./owned', data=b'o', uid=65534, gid=42, "
	"mode=0o2640), dict(name='./link', kind=S, link='/etc/x'), dict(name='./tmp', kind=D, "
	"mode=0o1777), dict(name='./sealed', kind=D, mode=0o500), dict(name='./sealed/file', "
	"data=b'1'), dict(name='./fifo', kind=tarfile.FIFOTYPE), dict(name='./dev', kind=D, "
	"mode=0o755), dict(name='./dev/null', kind=tarfile.CHRTYPE, mode=0o666), "
	"dict(name='./dev/sda', kind=tarfile.BLKTYPE), dict(name='./dev/null2', kind=L, "
	"link='./dev/null'), dict(name='./gr\\u00fc\\u00dfe', data=b'1'))\n"
	"open('honest.tar', 'ab').write(b'\\0' * 7000)\n"
	"open('packed.tar', 'wb').write(gzip.compress(open('honest.tar', 'rb').read()))\n"
	"open('empty.tar', 'wb').close()\n"
	"open('garbage.tar', 'wb').write(os.urandom(50000))\n"
	"archive('big', dict(name='big', data=b'x' * 3000000))\n"
	"open('cut.tar', 'wb').write(open('big.tar', 'rb').read()[:1000000])\n"
	"open('metadata', 'w').write('{\"architecture\":\"x86_64\"}\\n')\n";

/* Runs a shell command; its status and all it printed. */
static int run(struct strbuf *output, const char *format, ...)
{
	va_list args;
	char chunk[4096];
	size_t count;
	cleanup_free char *command = NULL;
	va_start(args, format);
	assert_true(vasprintf(&command, format, args) > 0);
	va_end(args);
	FILE *pipe = popen(command, "re");
	assert_non_null(pipe);
	while ((count = fread(chunk, 1, sizeof(chunk), pipe)) > 0)
		strbuf_append_bytes(output, chunk, count);
	int status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static int make_archives(void **state)
{
	(void)state;
	char path[PATH_MAX];
	const char *temporary = getenv("TMPDIR"), *libexec = getenv("SYSCT_LIBEXEC");
	cleanup_strbuf struct strbuf output = {0};
	directory = memory_printf("%s/sysct-unpack-XXXXXX", temporary ? temporary : "/tmp");
	cleanup_free char *relative =
		memory_printf("%s/sysct-unpack", libexec ? libexec : "libexec");
	if (!mkdtemp(directory) || !realpath(relative, path))
		return -1;
	program = memory_strdup(path);
	cleanup_free char *script = memory_printf("%s/maker.py", directory);
	if (file_replace_at(-1, script, maker, strlen(maker), 0600, false, NULL) < 0)
		return -1;
	int status = run(&output, "python3 %s %s 2>&1", script, directory);
	if (status != 0)
		printf("# %s\n", output.text ? output.text : "");
	return status == 0 ? 0 : -1;
}

static int remove_archives(void **state)
{
	(void)state;
	file_remove_tree_at(-1, directory, NULL);
	free(directory);
	free(program);
	return 0;
}

/* Unpacks NAME.tar below a directory NAME; the status, and what came on both outputs. */
static int unpack(const char *name, const char *options, struct strbuf *output)
{
	cleanup_free char *target = memory_printf("%s/%s", directory, name);
	assert_int_equal(mkdir(target, 0700), 0);
	return run(output, "cd %s && exec %s %s %s metadata <%s.tar 2>&1", directory, program,
		   options, name, name);
}

static void assert_refused(const char *name, const char *reason)
{
	cleanup_strbuf struct strbuf output = {0};
	struct stat status;
	int result = unpack(name, "", &output);
	if (result != 1 || !strstr(output.text ? output.text : "", reason))
		fail_msg("%s: status %d, \"%s\" expected: %s", name, result, reason, output.text);
	cleanup_free char *above = memory_printf("%s/outside", directory);
	cleanup_free char *beside = memory_printf("%s/%s/outside", directory, name);
	assert_int_equal(stat(above, &status), -1);
	assert_int_equal(stat(beside, &status), -1);
	assert_int_equal(stat("/etc/passwd", &status), 0);
}

static void test_traversal(void **state)
{
	(void)state;
	assert_refused("dotdot", "../outside");
	assert_refused("inner-dotdot", "a/../../outside");
	assert_refused("absolute", "Path is absolute");
	assert_refused("link-up", "x/outside leads through a symbolic link");
	assert_refused("link-absolute", "x/passwd leads through a symbolic link");
	assert_refused("link-inside", "x/passwd leads through a symbolic link");
	assert_refused("link-deep", "a/x/passwd leads through a symbolic link");
	assert_refused("late-link", "y/outside leads through a symbolic link");
	assert_refused("directory-over-link", "x/ leads through a symbolic link");
	assert_refused("hardlink-absolute", "x: ");
	assert_refused("hardlink-up", "../../metadata leads");
	assert_refused("hardlink-through-link", "y/passwd leads through a symbolic link");
}

static void test_ids(void **state)
{
	(void)state;
	assert_refused("uid", "a/file belongs to 65536:0; an instance has the ids 0 to 65535");
	assert_refused("gid", "a/file belongs to 0:4294967295");
	assert_refused("acl-id", "./acl has a broken access control list, or one with ids above");
	assert_refused("native-acl-id", "./acl has an access control list with the id 70000");
}

static void test_broken(void **state)
{
	(void)state;
	assert_refused("empty", "the archive is empty");
	assert_refused("garbage", "this is no tar archive");
	assert_refused("cut", "big");
}

static void stat_in(const char *name, const char *path, struct stat *status)
{
	cleanup_free char *full = memory_printf("%s/%s/rootfs/%s", directory, name, path);
	if (lstat(full, status) < 0)
		fail_msg("%s is missing", full);
}

static void assert_mode(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	struct stat status;
	stat_in("honest", path, &status);
	assert_int_equal(status.st_mode & 07777, mode);
	assert_int_equal(status.st_uid, uid);
	assert_int_equal(status.st_gid, gid);
	assert_int_equal(status.st_mtime, 1000000000);
}

static void test_honest(void **state)
{
	(void)state;
	cleanup_strbuf struct strbuf output = {0}, sum = {0};
	struct stat status, other;
	assert_int_equal(unpack("honest", "--sync", &output), 0);
	json_t *answer = json_loads(output.text, 0, NULL);
	assert_non_null(answer);
	assert_int_equal(json_integer_value(json_object_get(answer, "devices_dropped")), 3);
	assert_int_equal(json_integer_value(json_object_get(answer, "entries")), 12);
	run(&sum, "cd %s && cat metadata honest.tar | sha256sum", directory);
	sum.text[64] = '\0';
	assert_string_equal(json_string_value(json_object_get(answer, "fingerprint")), sum.text);
	json_decref(answer);
	assert_mode("bin/su", 04755, 0, 0);
	assert_mode("owned", 02640, 65534, 42);
	assert_mode("tmp", 01777, 0, 0);
	assert_mode("sealed", 0500, 0, 0);
	assert_mode("sealed/file", 0644, 0, 0);
	assert_mode("gr\xc3\xbc\xc3\x9f"
		    "e",
		    0644, 0, 0);
	stat_in("honest", "bin/su", &status);
	stat_in("honest", "bin/su2", &other);
	assert_true(status.st_ino == other.st_ino);
	stat_in("honest", "fifo", &status);
	assert_true(S_ISFIFO(status.st_mode));
	cleanup_free char *device = memory_printf("%s/honest/rootfs/dev/null", directory);
	assert_int_equal(lstat(device, &status), -1);
	cleanup_free char *copy = memory_printf("%s/honest/metadata.json", directory);
	cleanup_free char *text = file_try_read_at(-1, copy);
	assert_string_equal(text, "{\"architecture\":\"x86_64\"}\n");
}

static void test_compressed(void **state)
{
	(void)state;
	cleanup_strbuf struct strbuf output = {0}, sum = {0};
	assert_int_equal(unpack("packed", "", &output), 0);
	run(&sum, "cd %s && cat metadata packed.tar | sha256sum", directory);
	sum.text[64] = '\0';
	assert_non_null(strstr(output.text, sum.text));
}

static bool has_attribute(const char *path, const char *name, size_t size)
{
	char value[256];
	cleanup_free char *full = memory_printf("%s/attributes/rootfs/%s", directory, path);
	ssize_t length = lgetxattr(full, name, value, sizeof(value));
	return length >= 0 && (size_t)length == size;
}

static void test_attributes(void **state)
{
	(void)state;
	cleanup_strbuf struct strbuf output = {0};
	assert_int_equal(unpack("attributes", "", &output), 0);
	assert_non_null(strstr(output.text, "\"attributes_dropped\":2"));
	assert_true(has_attribute("ping", "security.capability", 20));
	assert_true(has_attribute("user", "user.note", 5));
	assert_true(has_attribute("acl", "system.posix_acl_access", 44));
	assert_false(has_attribute("trusted", "trusted.overlay.opaque", 1));
	assert_false(has_attribute("selinux", "security.selinux", 1));
}

static void test_limits(void **state)
{
	(void)state;
	cleanup_strbuf struct strbuf first = {0}, second = {0}, third = {0};
	cleanup_free char *target = memory_printf("%s/big", directory);
	assert_int_equal(unpack("big", "--max-bytes 1000000", &first), 1);
	assert_non_null(strstr(first.text, "more than 1000000 bytes of data"));
	assert_int_equal(file_remove_tree_at(-1, target, NULL), 0);
	assert_int_equal(unpack("big", "--max-bytes 3000000 --max-entries 1", &second), 0);
	cleanup_free char *honest = memory_printf("%s/honest", directory);
	assert_int_equal(file_remove_tree_at(-1, honest, NULL), 0);
	assert_int_equal(unpack("honest", "--max-entries 3", &third), 1);
	assert_non_null(strstr(third.text, "more than 3 files"));
}

static void test_sparse(void **state)
{
	(void)state;
	cleanup_strbuf struct strbuf output = {0};
	struct stat status;
	assert_int_equal(run(&output,
			     "cd %s && truncate -s 200M hole && printf end >>hole && "
			     "tar -S --format=pax -cf sparse.tar hole 2>&1 && rm hole",
			     directory),
			 0);
	assert_int_equal(unpack("sparse", "", &output), 0);
	stat_in("sparse", "hole", &status);
	assert_int_equal(status.st_size, (200 << 20) + 3);
	assert_true(status.st_blocks < 100);
}

/* On a file system of 1 MiB in a mount namespace of its own. */
static void test_disk_full(void **state)
{
	(void)state;
	cleanup_strbuf struct strbuf output = {0};
	cleanup_free char *target = memory_printf("%s/full", directory);
	assert_int_equal(mkdir(target, 0700), 0);
	int status = run(&output,
			 "cd %s && exec unshare -m sh -c 'mount -t tmpfs -o size=1m none full && "
			 "exec %s full metadata' <big.tar 2>&1",
			 directory, program);
	assert_int_equal(status, 3);
	assert_non_null(strstr(output.text, "big: no space left after "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_traversal),  cmocka_unit_test(test_ids),
		cmocka_unit_test(test_broken),	   cmocka_unit_test(test_honest),
		cmocka_unit_test(test_compressed), cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_limits),	   cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_disk_full),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (geteuid() != 0 || system("python3 -c pass") != 0) {
		puts("1..0 # SKIP unpacking needs root and python3");
		return 0;
	}
	return cmocka_run_group_tests(tests, make_archives, remove_archives);
}
