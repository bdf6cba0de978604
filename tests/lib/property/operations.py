"""Operations on files. Each has three functions: one that chooses what to do to a tree, or None; one that does it to the
tree; and one that does it to the files. All that the kernel does by itself beside is undone at once or in the tree, too:
a new owner takes the set-user-ID bit and capabilities away, a directory's set-group-ID bit is inherited."""
import os
import stat
import struct

from tree import Node

NAMES = [b"a", b"b", b"c", b"d", b"file", b".wh.a", b".wh.file", b".wh..wh..opq", "ünï-☃".encode(), b"new\nline", b"two words",
         b"-rf", b"\xff\xfe", b"tab\tand\\", b".hidden", b"*", b"l" * 255, b".wh." + b"w" * 251]
LONGEST_OF_DIRECTORY = 40  # where an overlay finds it below is a path of 256 bytes at most; else it refuses the rename
DEEPEST, MOST_NODES, MOST_BYTES = 5, 60, 1 << 20
XATTRS = ["user.a", "user.long", "user.overlay.opaque", "user.ünï"]
CAPABILITY = "security.capability"
MODES = [0o644, 0o600, 0o755, 0o4755, 0o2750, 0o1777, 0o000, 0o7777]


# ---- choosing ----

def some(random, tree, *kinds):
    """A path of one of these kinds that may be changed, or None."""
    paths = [path for path, node in tree.walk() if path and node.kind in kinds]
    return random.choice(paths) if paths else None


def some_place(random, tree, directory=False, outside=None):
    """A path at which nothing is, or None."""
    directories = [path for path, node in tree.walk() if node.kind == "directory" and path.count(b"/") < DEEPEST and
                   not (outside and (path + b"/").startswith(outside + b"/"))]
    parent = random.choice(directories)
    names = [name for name in NAMES if name not in tree.get(parent).children and
             not (directory and len(name) > LONGEST_OF_DIRECTORY)]
    return parent + b"/" + random.choice(names) if names else None


def some_data(random):
    return random.randbytes(random.choice([1, 10, 100, 4096, 5000])) * random.choice([1, 1, 3])


def some_id(random):
    return random.choice([0, 1, 1000, 33, 65534, random.randrange(65536)])


def has_space(tree):
    return sum(1 for _ in tree.walk()) < MOST_NODES


# ---- what several have in common ----

def finish(path, uid, gid, mode):
    os.chown(path, uid, gid, follow_symlinks=False)
    if mode is not None:
        os.chmod(path, mode)


def drop_capability(path):
    try:
        os.removexattr(path, CAPABILITY, follow_symlinks=False)
    except OSError:
        pass


def put_new(tree, path, kind, uid, gid, mode, data=b""):
    tree.put(path, Node(kind, mode, uid, gid, data))


class Create:
    @staticmethod
    def choose(random, tree):
        path = some_place(random, tree)
        if path and has_space(tree):
            return path, some_data(random), some_id(random), some_id(random), random.choice(MODES)
        return None

    @staticmethod
    def model(tree, path, data, uid, gid, mode):
        put_new(tree, path, "file", uid, gid, mode, data)

    @staticmethod
    def real(path, data, uid, gid, mode):
        with open(path, "xb") as file:
            file.write(data)
        finish(path, uid, gid, mode)


class Write:
    """Over what is there, after it, or beyond a hole."""

    @staticmethod
    def choose(random, tree):
        path = some(random, tree, "file")
        if not path:
            return None
        size = len(tree.get(path).data)
        offset = random.choice([0, size, random.randrange(size + 1), size + random.randrange(700000)])
        data = some_data(random)
        return (path, offset, data, tree.get(path).mode) if offset + len(data) <= MOST_BYTES else None

    @staticmethod
    def model(tree, path, offset, data, _mode):
        node = tree.own(path)
        old = node.data.ljust(offset, b"\0")
        node.put(old[:offset] + data + old[offset + len(data):])
        node.dense += len(data) + 8192
        node.mtime = None
        node.xattrs.pop(CAPABILITY, None)

    @staticmethod
    def real(path, offset, data, mode):
        drop_capability(path)
        fd = os.open(path, os.O_WRONLY | (os.O_APPEND if offset == os.stat(path).st_size else 0))
        os.pwrite(fd, data, offset)
        os.close(fd)
        os.chmod(path, mode)


class Truncate:
    @staticmethod
    def choose(random, tree):
        path = some(random, tree, "file")
        if not path:
            return None
        size = len(tree.get(path).data)
        return path, random.choice([0, random.randrange(size + 1), min(size + 300000, MOST_BYTES)]), tree.get(path).mode

    @staticmethod
    def model(tree, path, size, _mode):
        node = tree.own(path)
        node.put(node.data[:size].ljust(size, b"\0"))
        node.dense += 8192
        node.mtime = None
        node.xattrs.pop(CAPABILITY, None)

    @staticmethod
    def real(path, size, mode):
        drop_capability(path)
        os.truncate(path, size)
        os.chmod(path, mode)


class MakeDirectory:
    @staticmethod
    def choose(random, tree):
        path = some_place(random, tree, directory=True)
        if path and has_space(tree):
            return path, some_id(random), some_id(random), random.choice(MODES)
        return None

    @staticmethod
    def model(tree, path, uid, gid, mode):
        put_new(tree, path, "directory", uid, gid, mode)

    @staticmethod
    def real(path, uid, gid, mode):
        os.mkdir(path)
        finish(path, uid, gid, mode)


def remove_tree(path):
    if stat.S_ISDIR(os.lstat(path).st_mode):
        for name in os.listdir(path):
            remove_tree(path + b"/" + name)
        os.rmdir(path)
    else:
        os.unlink(path)


class Remove:
    @staticmethod
    def choose(random, tree):
        path = some(random, tree, "file", "directory", "link", "fifo", "socket", "device")
        return (path,) if path else None

    @staticmethod
    def model(tree, path):
        tree.take(path)

    @staticmethod
    def real(path):
        remove_tree(path)


class Replace:
    """A directory that is there no more, and again at once, with something of its own: opaque, in an overlay."""

    @staticmethod
    def choose(random, tree):
        path = some(random, tree, "directory")
        return (path, random.choice(NAMES), some_data(random)) if path else None

    @staticmethod
    def model(tree, path, name, data):
        put_new(tree, path, "directory", 0, 0, 0o755)
        put_new(tree, path + b"/" + name, "file", 0, 0, 0o644, data)

    @staticmethod
    def real(path, name, data):
        remove_tree(path)
        MakeDirectory.real(path, 0, 0, 0o755)
        Create.real(path + b"/" + name, data, 0, 0, 0o644)


class Rename:
    @staticmethod
    def choose(random, tree):
        old = some(random, tree, "directory", "directory", "file", "link", "fifo", "socket")
        if not old:
            return None
        node = tree.get(old)
        is_directory = node.kind == "directory"
        if random.random() < 0.3 and not is_directory:
            new = some(random, tree, "file", "link", "fifo")
            return (old, new) if new and tree.get(new) is not node else None
        new = some_place(random, tree, directory=is_directory, outside=old if is_directory else None)
        depth = max(path.count(b"/") for path, _ in tree.walk(node, new or b""))
        return (old, new) if new and depth <= DEEPEST + 1 else None

    @staticmethod
    def model(tree, old, new):
        node = tree.own(old)
        tree.take(old)
        tree.put(new, node)

    @staticmethod
    def real(old, new):
        os.rename(old, new)


class Link:
    @staticmethod
    def choose(random, tree):
        old, new = some(random, tree, "file", "file", "link", "fifo", "socket"), some_place(random, tree)
        return (old, new) if old and new and has_space(tree) else None

    @staticmethod
    def model(tree, old, new):
        tree.put(new, tree.own(old))

    @staticmethod
    def real(old, new):
        os.link(old, new, follow_symlinks=False)


class Symlink:
    @staticmethod
    def choose(random, tree):
        path = some_place(random, tree)
        target = random.choice([b"a", b"../b", b"/etc", b"nowhere\n", b"x" * 1000])
        return (path, target, some_id(random), some_id(random)) if path and has_space(tree) else None

    @staticmethod
    def model(tree, path, target, uid, gid):
        put_new(tree, path, "link", uid, gid, 0o777, target)

    @staticmethod
    def real(path, target, uid, gid):
        os.symlink(target, path)
        finish(path, uid, gid, None)


class Special:
    """A fifo or a socket; on drivers without overlays what these have for "deleted", too."""
    TYPES = {"fifo": stat.S_IFIFO, "socket": stat.S_IFSOCK, "device": stat.S_IFCHR}

    @staticmethod
    def choose(random, tree):
        path, kind = some_place(random, tree), random.choice(["fifo", "socket", "fifo" if tree.stacked else "device"])
        if path and has_space(tree):
            return path, kind, some_id(random), some_id(random), random.choice(MODES)
        return None

    @staticmethod
    def model(tree, path, kind, uid, gid, mode):
        put_new(tree, path, kind, uid, gid, mode, b"0" if kind == "device" else b"")

    @staticmethod
    def real(path, kind, uid, gid, mode):
        os.mknod(path, Special.TYPES[kind] | 0o600, 0)
        finish(path, uid, gid, mode)


# ---- attributes ----

def some_or_root(random, tree, *kinds):
    return b"" if random.random() < 0.05 else some(random, tree, *kinds)


class Mode:
    @staticmethod
    def choose(random, tree):
        path = some_or_root(random, tree, "file", "directory", "fifo", "socket")
        return (path, random.choice(MODES)) if path is not None else None

    @staticmethod
    def model(tree, path, mode):
        tree.own(path).mode = mode

    @staticmethod
    def real(path, mode):
        os.chmod(path or b"/", mode)


class Owner:
    @staticmethod
    def choose(random, tree):
        path = some_or_root(random, tree, "file", "directory", "link", "fifo", "socket")
        if path is None:
            return None
        mode = None if tree.get(path).kind == "link" else tree.get(path).mode
        return path, some_id(random), some_id(random), mode

    @staticmethod
    def model(tree, path, uid, gid, _mode):
        node = tree.own(path)
        node.uid, node.gid = uid, gid
        node.xattrs.pop(CAPABILITY, None)

    @staticmethod
    def real(path, uid, gid, mode):
        drop_capability(path or b"/")
        finish(path or b"/", uid, gid, mode)


class Xattr:
    """Set, or removed when it is there."""

    @staticmethod
    def choose(random, tree):
        path = some_or_root(random, tree, "file", "directory")
        if path is None:
            return None
        name = random.choice(XATTRS)
        remove = name in tree.get(path).xattrs and random.random() < 0.5
        value = b"y" if "opaque" in name else random.randbytes(1000 if "long" in name else random.randrange(20))
        return path, name, None if remove else value

    @staticmethod
    def model(tree, path, name, value):
        node = tree.own(path)
        if value is None:
            del node.xattrs[name]
        else:
            node.xattrs[name] = value

    @staticmethod
    def real(path, name, value):
        if value is None:
            os.removexattr(path or b"/", name)
        else:
            os.setxattr(path or b"/", name, value)


class Capability:
    """VFS_CAP_REVISION_2: one effective set of capabilities, as setcap(8) writes it."""

    @staticmethod
    def choose(random, tree):
        path = some(random, tree, "file")
        return (path, struct.pack("<IIIII", 0x02000001, 1 << random.randrange(31), 0, 0, 0)) if path else None

    @staticmethod
    def model(tree, path, value):
        tree.own(path).xattrs[CAPABILITY] = value

    @staticmethod
    def real(path, value):
        os.setxattr(path, CAPABILITY, value)


class AccessList:
    @staticmethod
    def choose(random, tree):
        path = some_or_root(random, tree, "file", "directory")
        if path is None:
            return None
        copy = tree.get(path).copy()
        copy.acl = random.choice([1000, 65534, 7]), random.randrange(8), random.randrange(8)
        return path, copy.acl, copy.mode, dict(copy.all_xattrs())["system.posix_acl_access"]

    @staticmethod
    def model(tree, path, acl, _mode, _value):
        tree.own(path).acl = acl

    @staticmethod
    def real(path, _acl, mode, value):
        os.setxattr(path or b"/", "system.posix_acl_access", value)
        os.chmod(path or b"/", mode)


class Times:
    @staticmethod
    def choose(random, tree):
        path = some_or_root(random, tree, "file", "directory", "link", "fifo", "socket")
        return (path, random.randrange(4000000000 * 10**9)) if path is not None else None

    @staticmethod
    def model(tree, path, when):
        tree.own(path).mtime = when

    @staticmethod
    def real(path, when):
        os.utime(path or b"/", ns=(when, when), follow_symlinks=False)


ALL = {Create: 10, Write: 14, Truncate: 3, MakeDirectory: 6, Remove: 7, Replace: 2, Rename: 10, Link: 5, Symlink: 3, Special: 4,
       Mode: 4, Owner: 5, Xattr: 5, Capability: 3, AccessList: 3, Times: 4}


def choose(random, tree, count):
    """So many operations, one after the other; the tree is what it is after them."""
    chosen = []
    while len(chosen) < count:
        kind = random.choices(list(ALL), list(ALL.values()))[0]
        arguments = kind.choose(random, tree)
        if arguments:
            kind.model(tree, *arguments)
            chosen.append((kind, arguments))
    return chosen


def perform(operation):
    kind, arguments = operation
    kind.real(*arguments)


def tell(operation):
    kind, arguments = operation
    return f"{kind.__name__}{tuple(a[:60] if isinstance(a, bytes) else a for a in arguments)}"
