"""The image that instances of the property test are made from, by a template in the daemon's directory: a root with every
kind of file in it, whose init does nothing."""
import io
import os
import struct
import tarfile

from tree import Node, Tree

ALIAS = "property"
THEN = 1234567890 * 10**9
INIT = b"#!/bin/busybox sh\nexec /bin/busybox sleep 2147483647\n"
TEMPLATE = """#!/bin/sh
case $1 in
match) [ "$2" = property ] || exit 3; echo '{"options":{},"aliases":["property"],"description":"property"}' ;;
build) cp "${0%/*}/../property/metadata.json" "${0%/*}/../property/rootfs.tar" "$2" ;;
describe) echo '{"name":"property","description":"for the property test","aliases":["property"],"options":{}}' ;;
*) exit 2 ;;
esac
"""
TYPES = {"directory": tarfile.DIRTYPE, "file": tarfile.REGTYPE, "link": tarfile.SYMTYPE, "fifo": tarfile.FIFOTYPE}


def make_tree(stacked):
    tree = Tree(Node("directory", 0o755, mtime=THEN), stacked)

    def add(path, kind, mode, uid=0, gid=0, data=b""):
        node = Node(kind, mode, uid, gid, data)
        tree.put(path, node)
        return node

    for path in (b"/etc", b"/srv", b"/srv/full", b"/srv/full/below", b"/srv/full/below/deep", b"/.wh.directory", b"/other"):
        add(path, "directory", 0o755, len(path), 0)
    add(b"/srv/full/file", "file", 0o640, 7, 8, b"of the image\n")
    add(b"/srv/full/below/deep/file", "file", 0o4755, 0, 0, b"deep in the image\n" * 500)
    add(b"/srv/full/below/.wh.file", "file", 0o644, 1, 1, b"no whiteout")
    add(b"/srv/full/below/link", "link", 0o777, 3, 3, b"../file")
    add(b"/srv/full/fifo", "fifo", 0o622, 5, 5)
    add(b"/srv/tool", "file", 0o755).xattrs["security.capability"] = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
    add(b"/other/named", "file", 0o600, 0, 0, b"x" * 5000).xattrs["user.a"] = b"of the image"
    tree.put(b"/other/also named", tree.get(b"/other/named"))
    tree.put(b"/srv/full/named", tree.get(b"/other/named"))
    add(b"/etc/new\nline", "file", 0o644, 0, 0, b"1")
    for _, node in tree.walk():
        node.mtime = THEN
        node.lower = stacked
    tree.root.mtime = None  # the one thing that is not unpacked
    return tree



def member_of(path, node, first):
    member = tarfile.TarInfo("." + os.fsdecode(path))
    member.mode, member.uid, member.gid, member.mtime = node.mode, node.uid, node.gid, THEN // 10**9
    member.type = TYPES[node.kind] if first is None else tarfile.LNKTYPE
    member.linkname = "." + os.fsdecode(first) if first else os.fsdecode(node.data) if node.kind == "link" else ""
    member.size = len(node.data) if member.type == tarfile.REGTYPE else 0
    member.pax_headers = {"SCHILY.xattr." + name: value.decode("utf-8", "surrogateescape") for name, value in node.xattrs.items()}
    return member


def add_system(archive, busybox):
    for name in ("proc", "sys", "dev", "run", "bin", "sbin"):
        member = tarfile.TarInfo("./" + name)
        member.type, member.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(member)
    for name, data in (("bin/busybox", busybox), ("sbin/init", INIT)):
        member = tarfile.TarInfo("./" + name)
        member.mode, member.size = 0o755, len(data)
        archive.addfile(member, io.BytesIO(data))


def write(directory, busybox_image):
    """In the daemon's directory of templates' files: what the template gives."""
    os.makedirs(f"{directory}/property", exist_ok=True)
    with tarfile.open(f"{busybox_image}/rootfs.tar") as archive:
        busybox = archive.extractfile("./bin/busybox").read()
    with open(f"{busybox_image}/metadata.json", "rb") as source, open(f"{directory}/property/metadata.json", "wb") as target:
        target.write(source.read())
    tree, firsts = make_tree(False), {}
    with tarfile.open(f"{directory}/property/rootfs.tar", "w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as archive:
        add_system(archive, busybox)
        for path, node in tree.walk():
            member = member_of(path, node, firsts.get(id(node)))
            firsts.setdefault(id(node), path)
            archive.addfile(member, io.BytesIO(node.data) if member.size else None)
    os.makedirs(f"{directory}/templates", exist_ok=True)
    with open(f"{directory}/templates/sysct-property", "w", opener=lambda path, flags: os.open(path, flags, 0o755)) as file:
        file.write(TEMPLATE)
