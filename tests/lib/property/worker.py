"""What an instance's files are, seen from the host; and a process in its user and mount namespaces that changes them."""
import ctypes
import os
import pickle
import signal
import stat
import struct
import traceback

import operations
from tree import EVERYBODY, KINDS, digest

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
# What is not the instance's own, or never changed, of the root directory.
SKIPPED = {b"proc", b"sys", b"dev", b"run", b"bin", b"sbin"}
# linux/capability.h: with the root user of the namespace that it is of, and without.
REVISION_3, REVISION_2 = 0x03000000, 0x02000000
libc = ctypes.CDLL(None, use_errno=True)


# ---- looking ----

def inside(name, value, base):
    """An attribute as the instance sees it."""
    if name == "system.posix_acl_access":
        entries = [struct.unpack_from("<HHI", value, at) for at in range(4, len(value), 8)]
        return value[:4] + b"".join(struct.pack("<HHI", tag, permissions, who if who == EVERYBODY else who - base)
                                    for tag, permissions, who in entries)
    if name == "security.capability" and len(value) == 24:
        magic, *sets, root = struct.unpack("<6I", value)
        if magic & 0xFF000000 == REVISION_3 and root == base:
            return struct.pack("<5I", magic ^ REVISION_3 | REVISION_2, *sets)
    return value


def look_at(path, status, base):
    kind = KINDS[stat.S_IFMT(status.st_mode)]
    contents = b""
    if kind == "file":
        with open(path, "rb", buffering=0) as file:
            contents = digest(file.readall())
    elif kind == "link":
        contents = os.readlink(path)
    elif kind == "device":
        contents = b"%d" % status.st_rdev
    xattrs = tuple(sorted((name, inside(name, os.getxattr(path, name, follow_symlinks=False), base))
                          for name in os.listxattr(path, follow_symlinks=False) if not name.startswith("trusted.")))
    return (kind, stat.S_IMODE(status.st_mode), status.st_uid - base, status.st_gid - base, status.st_mtime_ns, xattrs,
            contents)


def walk(root, path):
    yield path, os.lstat(root + path)
    for name in sorted(os.listdir(root + path)):
        if path == b"/" and name in SKIPPED:
            continue
        below = path.rstrip(b"/") + b"/" + name
        status = os.lstat(root + below)
        if stat.S_ISDIR(status.st_mode):
            yield from walk(root, below)
        else:
            yield below, status


def look(pid):
    """{path: (entry, bytes on the disk)}: Tree.describe() has the same of what shall be there."""
    with open(f"/proc/{pid}/uid_map", encoding="ascii") as ids:
        base = int(ids.read().split()[1])
    root = b"/proc/%d/root" % pid
    first, several, entries = {}, set(), {}
    for path, status in walk(root, b"/"):
        inode = None if stat.S_ISDIR(status.st_mode) else (status.st_dev, status.st_ino)
        if inode and first.setdefault(inode, path) != path:
            several.add(first[inode])
        entries[path] = look_at(root + path, status, base), first.get(inode), status.st_blocks * 512
    return {path: (entry + (name if name in several else None,), blocks)
            for path, (entry, name, blocks) in entries.items()}


# ---- changing ----

def enter(pid):
    fd = os.pidfd_open(pid)
    if libc.setns(fd, CLONE_NEWUSER | CLONE_NEWNS) < 0:
        raise OSError(ctypes.get_errno(), "setns")
    os.close(fd)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    os.umask(0)
    os.chdir("/")


def serve(pid, orders, answers):
    enter(pid)
    while True:
        try:
            batch = pickle.load(orders)
        except EOFError:
            return
        problem = None
        for operation in batch:
            try:
                operations.perform(operation)
            except OSError as error:
                problem = f"{operations.tell(operation)}: {error}"
                break
        pickle.dump(problem, answers)
        answers.flush()


class Worker:
    """It holds the instance's mounts: close() it before the instance ends."""

    def __init__(self, pid):
        orders, answers = os.pipe(), os.pipe()
        self.pid, self.child = pid, os.fork()
        if self.child == 0:
            try:
                os.close(orders[1])
                os.close(answers[0])
                serve(pid, open(orders[0], "rb"), open(answers[1], "wb"))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        os.close(orders[0])
        os.close(answers[1])
        self.orders, self.answers = open(orders[1], "wb"), open(answers[0], "rb")

    def perform(self, batch):
        """What went wrong."""
        pickle.dump(batch, self.orders)
        self.orders.flush()
        try:
            return pickle.load(self.answers)
        except EOFError:
            return "the process that works inside has ended"

    def close(self):
        self.orders.close()
        self.answers.close()
        os.kill(self.child, signal.SIGKILL)  # later ones have its pipes, too
        os.waitpid(self.child, 0)
