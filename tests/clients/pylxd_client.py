"""What python3-pylxd 2.2.10 can do with sysctd; run by pylxd.t. It knows instances as /1.0/containers only."""

import json
import os
import signal
import sys
import threading
import urllib.parse

import pylxd
from pylxd.client import EventType
from pylxd.exceptions import LXDAPIException, NotFound
from ws4py.client import WebSocketBaseClient

import tap

SOCKET = "http+unix://" + urllib.parse.quote(os.environ["SYSCT_DIR"] + "/unix.socket", safe="")
client = pylxd.Client(endpoint=SOCKET)


# ws4py answers the close of a server by a close of its own, which fails when the server has gone by then.
def forgiving_close(self, *arguments, close=WebSocketBaseClient.close, **keywords):
    try:
        close(self, *arguments, **keywords)
    except BrokenPipeError:
        pass


WebSocketBaseClient.close = forgiving_close


def source(**more):
    return dict({"source": {"type": "image", "alias": "busybox"}}, **more)


def operation_of(response):
    return client.operations.wait_for_operation(response.json()["operation"])


class Events(WebSocketBaseClient):
    """Collects events until the end; `wait` for one that satisfies a condition."""

    def handshake_ok(self):
        self.changed = threading.Condition()
        self.events = []
        threading.Thread(target=self.run, daemon=True).start()

    def received_message(self, message):
        with self.changed:
            self.events.append(json.loads(message.data.decode()))
            self.changed.notify_all()

    def wait(self, condition):
        with self.changed:
            return self.changed.wait_for(lambda: any(condition(event) for event in self.events), 20)


class Stream(WebSocketBaseClient):
    """One WebSocket of an interactive exec: keeps what came."""

    def handshake_ok(self):
        self.changed = threading.Condition()
        self.text = ""
        self.ended = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def received_message(self, message):
        with self.changed:
            self.text += message.data.decode()
            self.changed.notify_all()

    def closed(self, code, reason=None):
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait(self, condition):
        with self.changed:
            return self.changed.wait_for(lambda: condition(self), 20)


def connect(kind, resource):
    stream = kind(client.websocket_url)
    stream.resource = resource
    stream.connect()
    return stream


def server():
    tap.ok(client.trusted, "the unix socket is trusted")
    tap.eq(client.host_info["api_version"], "1.0", "API version")
    tap.eq(client.host_info["environment"]["server"], "sysct", "the server names itself")
    tap.ok(client.has_api_extension("etag"), "API extensions")
    tap.ok(not client.has_api_extension("clustering"), "what is not there is not advertised")
    tap.eq(client.containers.all(), [], "no instance yet")


def images():
    built = operation_of(client.api.images.post(json={"source": {"type": "template", "alias": "busybox"}}))
    tap.eq((built.status, built.status_code), ("Success", 200), "an image is built")
    image = client.images.get_by_alias("busybox")
    tap.eq(image.fingerprint, built.metadata["fingerprint"], "get_by_alias finds it")
    tap.eq([i.fingerprint for i in client.images.all()], [image.fingerprint], "images.all")
    tap.eq(client.images.get(image.fingerprint[:12]).fingerprint, image.fingerprint, "get by the first digits")
    tap.ok(client.images.exists("busybox", alias=True) and not client.images.exists("nope", alias=True), "exists")
    tap.eq((image.properties["os"], image.public, image.cached), ("Busybox", False, False), "attributes")
    tap.ok(image.size > 100000, "size")
    image.properties = dict(image.properties, note="from pylxd")
    image.save(wait=True)
    tap.eq(client.images.get(image.fingerprint).properties["note"], "from pylxd", "save changes the properties")
    image.add_alias("py/lxd", "an alias")
    tap.eq(client.api.images.aliases["py%2Flxd"].get().json()["metadata"]["target"], image.fingerprint, "add_alias")
    image.sync()
    tap.eq(sorted(a["name"] for a in image.aliases), ["busybox", "py/lxd"], "both aliases are the image's")
    image.delete_alias("py/lxd")
    tap.ok(not client.images.exists("py/lxd", alias=True), "delete_alias")
    tap.raises(NotFound, "", lambda: client.images.get("0123456789ab"), "an unknown fingerprint")
    tap.raises(LXDAPIException, "not supported", lambda: client.api.images.post(
        data=b"junk", headers={"Content-Type": "application/octet-stream"}), "an upload is refused")
    tap.raises(LXDAPIException, "not supported", image.export, "so is a download")


def create():
    box = client.containers.create(source(name="box", config={"user.key": "value", "limits.processes": "100"},
                                          description="made by pylxd"), wait=True)
    tap.eq((box.name, box.status, box.status_code), ("box", "Stopped", 102), "create with wait")
    tap.eq(box.config["user.key"], "value", "config")
    tap.eq((box.description, box.ephemeral, box.profiles), ("made by pylxd", False, ["default"]), "other attributes")
    tap.eq(box.expanded_devices["root"]["path"], "/", "expanded_devices has the profile's root disk")
    tap.ok(box.created_at.startswith("20") and box.created_at.endswith("Z"), "created_at")
    tap.eq([c.name for c in client.containers.all()], ["box"], "containers.all")
    tap.ok(client.containers.exists("box") and not client.containers.exists("nope"), "exists")
    tap.raises(LXDAPIException, "already exists", lambda: client.containers.create(source(name="box"), wait=True), "a name that is taken")
    tap.raises(LXDAPIException, "[Ii]nvalid instance name", lambda: client.containers.create(source(name="no_good"), wait=True), "a wrong name")
    tap.raises(LXDAPIException, 'no image "nope"', lambda: client.containers.create(
        {"name": "other", "source": {"type": "image", "alias": "nope"}}, wait=True), "an image that is not there")
    tap.raises(LXDAPIException, "no\\.such", lambda: client.containers.create(source(name="other", config={"no.such": "1"}), wait=True),
               "an unknown key")
    tap.ok(not client.containers.exists("other"), "what fails leaves nothing")
    return box


def obeys(box):
    """Busybox's init catches SIGTSTP after it has blocked its stop signal, which the kernel drops before that."""
    def listens():
        with open("/proc/%d/status" % box.state().pid) as status:
            return int(dict(line.split(":", 1) for line in status)["SigCgt"], 16) >> (signal.SIGTSTP - 1) & 1
    tap.ok(tap.wait_until(20, listens), "init listens to its stop signal")


def states(box):
    box.start(wait=True)
    tap.eq(box.status, "Running", "start")
    state = box.state()
    tap.eq((state.status, state.status_code), ("Running", 103), "state")
    tap.ok(os.path.isdir("/proc/%d" % state.pid), "state.pid is its init on the host")
    tap.ok(state.processes >= 1 and state.memory["usage"] > 0 and state.cpu["usage"] > 0, "state has figures")
    tap.eq(state.network["lo"]["addresses"][0]["address"], "127.0.0.1", "state.network")
    tap.raises(LXDAPIException, "already running", lambda: box.start(wait=True), "start of a running one")
    tap.raises(LXDAPIException, "running", box.delete, "delete of a running one")
    box.freeze(wait=True)
    tap.eq(box.status, "Frozen", "freeze")
    box.unfreeze(wait=True)
    tap.eq(box.status, "Running", "unfreeze")
    box.restart(wait=True)
    tap.ok(box.status == "Running" and box.state().pid != state.pid, "restart by force")
    before = box.state().pid
    obeys(box)
    box.restart(force=False, wait=True)
    tap.ok(box.status == "Running" and box.state().pid != before, "restart by init")
    obeys(box)
    box.stop(force=False, wait=True)
    tap.eq((box.status, box.state().pid), ("Stopped", 0), "stop by init")
    tap.raises(LXDAPIException, "already stopped", lambda: box.stop(wait=True), "stop of a stopped one")
    box.start(wait=True)
    box.stop(wait=True)
    tap.eq(box.status, "Stopped", "stop by force")


def changes(box):
    box.config["user.key"] = "changed"
    box.description = "other words"
    box.save(wait=True)
    again = client.containers.get("box")
    tap.eq((again.config["user.key"], again.description), ("changed", "other words"), "save")
    del box.config["user.key"]
    box.save(wait=True)
    tap.ok("user.key" not in client.containers.get("box").config, "a key left out of save is gone")
    api = client.api.containers["box"]
    api.patch(json={"config": {"user.one": "1", "user.two": "2"}})
    box.sync(rollback=True)
    tap.eq((box.config["user.one"], box.config["user.two"], box.config["limits.processes"]), ("1", "2", "100"), "PATCH adds")
    got = api.get()
    body = {key: got.json()["metadata"][key] for key in ("architecture", "config", "devices", "ephemeral", "profiles", "description")}
    etag = got.headers["ETag"]
    body["config"]["user.one"] = "by ETag"
    operation_of(api.put(json=body, headers={"If-Match": etag}))
    tap.eq(client.containers.get("box").config["user.one"], "by ETag", "PUT with the right If-Match")
    body["config"]["user.one"] = "too late"
    tap.raises(LXDAPIException, "[Pp]recondition|ETag", lambda: api.put(json=body, headers={"If-Match": etag}), "PUT with an old one")
    status = client.api.containers["box"].session.put(api._api_endpoint, json=body, headers={"If-Match": etag}).status_code
    tap.eq((status, client.containers.get("box").config["user.one"]), (412, "by ETag"), "is a 412 and changes nothing")
    tap.raises(LXDAPIException, "limits.memory", lambda: api.patch(json={"config": {"limits.memory": "junk"}}), "a wrong value")
    tap.raises(LXDAPIException, "volatile", lambda: api.patch(json={"config": {"volatile.uuid": "x"}}), "a key of the server's own")
    tap.raises(LXDAPIException, "[Uu]nknown|unknown", lambda: api.patch(json={"confg": {}}), "an unknown field")
    box.rename("renamed", wait=True)
    tap.eq((client.containers.exists("box"), client.containers.get("renamed").status), (False, "Stopped"), "rename")
    box.rename("box", wait=True)


def profiles(box):
    profile = client.profiles.create("web", config={"limits.processes": "77"}, devices={})
    tap.eq((profile.name, profile.config), ("web", {"limits.processes": "77"}), "profiles.create")
    tap.eq(sorted(p.name for p in client.profiles.all()), ["default", "web"], "profiles.all")
    tap.ok(client.profiles.exists("web") and not client.profiles.exists("nope"), "exists")
    profile.config["environment.FROM"] = "profile"
    profile.description = "for web servers"
    profile.save()
    tap.eq(client.profiles.get("web").description, "for web servers", "save")
    box.profiles = ["default", "web"]
    box.save(wait=True)
    box.sync(rollback=True)
    tap.eq(box.expanded_config["environment.FROM"], "profile", "the instance's expanded config has it")
    tap.eq(client.profiles.get("web").used_by, ["/1.0/instances/box"], "used_by")
    tap.raises(LXDAPIException, "use", client.profiles.get("web").delete, "a used profile stays")
    tap.raises(LXDAPIException, "exists", lambda: client.profiles.create("web"), "a name that is taken")
    profile.rename("www")
    tap.eq(client.containers.get("box").profiles, ["default", "www"], "rename reaches its users")
    box.sync(rollback=True)
    box.profiles = ["default"]
    box.save(wait=True)
    client.profiles.get("www").delete()
    tap.ok(not client.profiles.exists("www"), "delete")


def execute(box):
    box.start(wait=True)
    result = box.execute(["sh", "-c", "echo out; echo err >&2; exit 42"])
    tap.eq(tuple(result), (42, "out\n", "err\n"), "execute: exit code, stdout, stderr")
    tap.eq(box.execute(["env"], environment={"A": "b c"}).stdout.count("A=b c\n"), 1, "environment")
    tap.eq(tuple(box.execute(["cat"], stdin_payload="a payload\n")), (0, "a payload\n", ""), "stdin from a text")
    # More than the socket's buffer would block pylxd, which sends it before it connects stdout.
    payload = bytes(range(256)) * 400
    result = box.execute(["cat"], stdin_payload=payload, decode=False)
    tap.eq((result.exit_code, result.stdout == payload), (0, True), "binary there and back")
    tap.eq(box.execute(["cat"], stdin_payload=(word for word in (b"one ", b"two ", b"three"))).stdout, "one two three", "stdin from a generator")
    tap.eq(box.execute(["cat"]).exit_code, 0, "no payload is an empty stdin")
    tap.eq(box.execute(["no-such"]).exit_code, 127, "127")
    tap.eq(box.execute(["sh", "-c", "kill -9 $$"]).exit_code, 137, "137")
    pieces = []
    box.execute(["seq", "1", "50000"], stdout_handler=pieces.append)
    tap.eq("".join(pieces).split("\n")[-2], "50000", "stdout_handler gets all")
    tap.eq(box.execute(["head", "-c", "3000000", "/dev/zero"], decode=False).stdout.count(b"\0"), 3000000, "3 MB of output")


def interactive(box):
    urls = box.raw_interactive_execute(["sh"], environment={"PS1": "prompt> "})
    terminal = connect(Stream, urls["ws"])
    control = connect(Stream, urls["control"])
    tap.ok(terminal.wait(lambda s: "prompt> " in s.text), "raw_interactive_execute: a shell prompts")
    control.send(json.dumps({"command": "window-resize", "args": {"width": "111", "height": "44"}}))

    def resized():
        terminal.send(b"stty size\n", binary=True)
        return terminal.wait(lambda s: s.text.count("prompt> ") > resized.prompts) and "44 111" in terminal.text

    resized.prompts = 1
    tap.ok(tap.wait_until(20, resized), "window-resize on the control socket")
    # An interactive shell ignores SIGTERM: it must be gone before the signal.
    terminal.send(b"exec sh -c 'echo begun; exec sleep 1000'\n", binary=True)
    tap.ok(terminal.wait(lambda s: "begun\r\n" in s.text), "a command in the shell's place")
    control.send(json.dumps({"command": "signal", "signal": 15}))
    tap.ok(terminal.wait(lambda s: s.ended), "a signal on the control socket ends the command")
    operation = client.operations.wait_for_operation(urls["ws"].split("/websocket")[0])
    tap.eq(operation.metadata["return"], 143, "and its code is in the operation")


def events(box):
    seen = client.events(websocket_client=Events)
    seen.connect()
    only = client.events(websocket_client=Events, event_types={EventType.Lifecycle})
    only.connect()
    box.stop(wait=True)
    box.start(wait=True)
    tap.ok(seen.wait(lambda e: e["type"] == "lifecycle" and e["metadata"]["action"] == "instance-started" and
                     e["metadata"]["source"] == "/1.0/instances/box"), "events: a lifecycle event of the start")
    tap.ok(seen.wait(lambda e: e["type"] == "operation" and e["metadata"]["description"] == "Starting instance" and
                     e["metadata"]["status"] == "Success"), "events: the operation's success")
    tap.ok(only.wait(lambda e: e["metadata"].get("action") == "instance-started"), "events of one type")
    tap.eq({e["type"] for e in only.events}, {"lifecycle"}, "and of no other")
    tap.ok(all(e["timestamp"].startswith("20") and e["project"] == "default" for e in seen.events), "time and project")


def operations(box):
    box.stop(wait=True)
    response = box.api.state.put(json={"action": "start", "timeout": 30})
    tap.eq((response.status_code, response.headers["Location"]), (202, response.json()["operation"]), "202 and a Location")
    operation = client.operations.wait_for_operation(response.json()["operation"])
    tap.eq((operation.status, operation.err, operation.may_cancel), ("Success", "", False), "wait_for_operation")
    tap.eq(operation.resources["instances"], ["/1.0/instances/box"], "resources")
    tap.eq(client.operations.get(operation.id).description, "Starting instance", "operations.get of a finished one")
    tap.raises(NotFound, "", lambda: client.operations.get("f4a1e1ab-0000-4000-8000-000000000000"), "an unknown operation")


def storage():
    pool = client.storage_pools.get("default")
    tap.eq((pool.name, pool.driver, pool.status), ("default", "overlay", "Created"), "storage_pools.get")
    tap.eq([p.name for p in client.storage_pools.all()], ["default"], "storage_pools.all")
    tap.ok("/1.0/instances/box" in pool.used_by, "used_by")
    tap.ok(pool.resources.get().space["total"] > 0, "its resources")
    tap.raises(LXDAPIException, "not supported", lambda: client.storage_pools.create({"name": "x", "driver": "zfs"}), "a driver that there is not is refused")
    tap.ok("box" in [v.name for v in pool.volumes.all()], "its volumes") # of type "custom", for this pylxd
    volume = pool.volumes.get("container", "box")
    tap.eq((volume.type, volume.used_by), ("container", ["/1.0/instances/box"]), "volumes.get")
    volume = pool.volumes.create({"name": "data", "config": {"user.note": "x"}})
    tap.eq((volume.type, volume.name, volume.config), ("custom", "data", {"user.note": "x"}), "volumes.create")
    volume.put({"config": {"user.note": "y"}, "description": "text"})
    tap.eq((pool.volumes.get("custom", "data").config, pool.volumes.get("custom", "data").description), ({"user.note": "y"}, "text"), "put")
    volume.rename({"name": "other", "pool": "default"})
    volume = pool.volumes.get("custom", "other")
    volume.delete()
    tap.raises(NotFound, "not found", lambda: pool.volumes.get("custom", "other"), "a deleted volume")
    pool = client.storage_pools.create({"name": "extra", "driver": "dir", "config": {"user.note": "x"}})
    tap.eq((pool.name, pool.driver, client.storage_pools.get("extra").config["user.note"]), ("extra", "dir", "x"), "storage_pools.create")
    pool.config["user.note"] = "y"
    pool.save()
    tap.eq(client.storage_pools.get("extra").config["user.note"], "y", "save of a pool")
    pool.delete()
    tap.ok(not client.storage_pools.exists("extra"), "delete of a pool")


def networks(box):
    network = client.networks.get("sysctbr0")
    tap.eq((network.name, network.type, network.managed), ("sysctbr0", "bridge", True), "networks.get")
    tap.ok("sysctbr0" in [n.name for n in client.networks.all()], "networks.all")
    tap.ok(client.networks.exists("sysctbr0") and not client.networks.exists("nowhere"), "networks.exists")
    lab = client.networks.create("lab", description="of a lab", type="bridge", config={"ipv4.address": "192.0.2.1/24", "ipv6.address": "none"})
    tap.eq((lab.description, lab.config["ipv4.address"]), ("of a lab", "192.0.2.1/24"), "networks.create")
    lab.config["user.note"] = "kept"
    lab.save()
    tap.eq(client.networks.get("lab").config["user.note"], "kept", "save")
    client.networks.get("lab").delete(wait=True) # rename() of this pylxd posts to the list, which makes another
    tap.ok(not client.networks.exists("lab"), "delete")
    nic = box.state().network["eth0"]
    tap.eq(nic["hwaddr"], box.config["volatile.eth0.hwaddr"], "the state of a NIC")
    tap.ok(nic["host_name"].startswith("veth"), "and its host's end")


def snapshots(box):
    box.execute(["sh", "-c", "echo one >/root/file"])
    box.snapshots.create("clean", wait=True)
    tap.eq([s.name for s in box.snapshots.all()], ["clean"], "snapshots.all")
    tap.ok(box.snapshots.get("clean").created_at.startswith("20"), "snapshots.get")
    box.execute(["sh", "-c", "echo two >/root/file"])
    box.restore_snapshot("clean", wait=True)
    tap.eq(box.execute(["cat", "/root/file"]).stdout, "one\n", "restore_snapshot")
    box.snapshots.get("clean").rename("cleaner", wait=True)
    tap.eq([s.name for s in box.snapshots.all()], ["cleaner"], "rename of a snapshot")
    box.snapshots.get("cleaner").delete(wait=True)
    tap.eq(box.snapshots.all(), [], "delete of a snapshot")


def ends(box):
    box.stop(wait=True)
    box.delete(wait=True)
    tap.eq(client.containers.all(), [], "delete")
    tap.raises(NotFound, "[Nn]ot found", lambda: client.containers.get("box"), "and it is gone")
    client.containers.create(source(name="fleeting", ephemeral=True), wait=True).start(wait=True)
    fleeting = client.containers.get("fleeting")
    tap.ok(fleeting.ephemeral, "an ephemeral one")
    fleeting.stop(wait=True)
    tap.ok(tap.wait_until(20, lambda: not client.containers.exists("fleeting")), "goes when it stops")
    image = client.images.get_by_alias("busybox")
    image.delete(wait=True)
    tap.eq(client.images.all(), [], "the image is deleted")


server()
images()
instance = create()
states(instance)
changes(instance)
profiles(instance)
execute(instance)
interactive(instance)
events(instance)
operations(instance)
storage()
networks(instance)
snapshots(instance)
ends(instance)
sys.exit(tap.done())
