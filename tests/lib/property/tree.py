"""What a tree of files shall be: nodes in memory, changed by the operations (operations.py) as the kernel changes real ones.

A time of None is one that the kernel has set: it is taken over from what is seen next, and must stay from then on. In an
overlay a file of a lower layer is copied when it is first changed, by the name it is changed by alone (overlayfs.rst,
"Non-standard behavior"): Tree.own() does the same where the tree is of such a driver."""
import hashlib
import stat
import struct

MOST_LAYERS = 100
EVERYBODY = 0xFFFFFFFF
# From when on a file counts as sparse, and what file systems may take beside the data.
HOLE, SLACK = 256 << 10, 128 << 10
KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo",
         stat.S_IFSOCK: "socket", stat.S_IFCHR: "device"}
FIELDS = ("kind", "mode", "uid", "gid", "mtime", "xattrs", "contents", "linked with")


def digest(data):
    return len(data), hashlib.blake2b(data, digest_size=16).hexdigest()


class Node:
    """A file of any kind; several names of it are one object."""

    def __init__(self, kind, mode, uid=0, gid=0, data=b"", mtime=None):
        self.kind, self.mode, self.uid, self.gid, self.mtime = kind, mode, uid, gid, mtime
        self.xattrs, self.acl, self.lower = {}, None, False
        self.children = {} if kind == "directory" else None
        self.put(data)
        self.dense = len(data)  # bytes that may be on the disk

    def put(self, data):
        self.data = data  # of a link: where it leads
        self.contents = digest(data) if self.kind == "file" else data

    def copy(self):
        new = Node.__new__(Node)
        new.__dict__.update(self.__dict__)
        new.xattrs = dict(self.xattrs)
        return new

    def all_xattrs(self):
        """With the access list: posix_acl_xattr.h; a change of the mode changes it, too."""
        xattrs = dict(self.xattrs)
        if self.acl:
            uid, permissions, group = self.acl
            entries = ((1, self.mode >> 6 & 7, EVERYBODY), (2, permissions, uid), (4, group, EVERYBODY),
                       (16, self.mode >> 3 & 7, EVERYBODY), (32, self.mode & 7, EVERYBODY))
            xattrs["system.posix_acl_access"] = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries)
        return tuple(sorted(xattrs.items()))


class Tree:
    """@depth: layers that it is in, of a driver that stacks them."""

    def __init__(self, root, stacked, depth=1):
        self.root, self.stacked, self.depth = root, stacked, depth

    def copy(self, below=False):
        """@below: what it is now is in lower layers of the copy."""
        memo = {}

        def copy(node):
            if id(node) not in memo:
                new = memo[id(node)] = node.copy()
                new.lower = (below and self.stacked) or node.lower
                if node.children is not None:
                    new.children = {name: copy(child) for name, child in node.children.items()}
            return memo[id(node)]

        return Tree(copy(self.root), self.stacked, self.depth + below)

    def sink(self):
        """A new layer lies above all of it, if there are not too many (branch.c): then it was copied beside."""
        if self.depth > MOST_LAYERS:
            return
        self.depth += 1
        for _, node in self.walk():
            node.lower = self.stacked

    def walk(self, node=None, path=b""):
        """(path, node), directories first, in order; the root is b""."""
        node = node or self.root
        yield path, node
        for name in sorted(node.children or ()):
            yield from self.walk(node.children[name], path + b"/" + name)

    def get(self, path):
        node = self.root
        for name in path.split(b"/")[1:]:
            node = (node.children or {}).get(name)
            if node is None:
                return None
        return node

    def parent(self, path):
        """The directory, which is changed by who asks, and the name in it."""
        directory, _, name = path.rpartition(b"/")
        return self.get(directory), name

    def names(self, node):
        return [path for path, other in self.walk() if other is node]

    def own(self, path):
        """The node, before it is changed by this name."""
        node = self.get(path)
        if node.lower and node.kind != "directory" and len(self.names(node)) > 1:
            directory, name = self.parent(path)
            node = directory.children[name] = node.copy()
        if node.lower:
            node.dense = len(node.data)  # it is copied up without some of its holes
        node.lower = False
        return node

    def put(self, path, node):
        directory, name = self.parent(path)
        directory.children[name] = node
        directory.mtime = None

    def take(self, path):
        directory, name = self.parent(path)
        directory.mtime = None
        return directory.children.pop(name)

    def describe(self):
        """{path: (entry, bytes on the disk at most or None)}, entries as worker.look() makes them."""
        first, all_of_it = {}, {}
        several = {}
        for path, node in self.walk():
            several.setdefault(id(node), []).append(path)
        for path, node in self.walk():
            first = several[id(node)]
            entry = (node.kind, node.mode, node.uid, node.gid, node.mtime, node.all_xattrs(), node.contents,
                     first[0] if len(first) > 1 else None)
            hole = node.kind == "file" and len(node.data) - node.dense > HOLE
            all_of_it[path or b"/"] = entry, node.dense + SLACK if hole else None
        return all_of_it

    def adopt(self, seen):
        """Times that the kernel has set."""
        for path, node in self.walk():
            if node.mtime is None and (path or b"/") in seen:
                node.mtime = seen[path or b"/"][0][4]


def differences(wanted, seen):
    """Lines; none when it is the same. A time of None fits every time. @seen may be a description, too."""
    lines = [f"{path!r} is missing" for path in wanted if path not in seen]
    lines += [f"{path!r} should not be there: {entry[0][:4]}" for path, entry in seen.items() if path not in wanted]
    for path in wanted.keys() & seen.keys():
        (want, most), (got, blocks) = wanted[path], seen[path]
        for field, left, right in zip(FIELDS, want, got):
            if left != right and not (field == "mtime" and left is None):
                lines.append(f"{path!r}: {field}: {right!r} instead of {left!r}")
        if most is not None and blocks is not None and blocks > most:
            lines.append(f"{path!r}: {blocks} bytes on the disk, where it had holes and at most {most}")
    return sorted(lines)
