"""What may be asked of the daemon: the request, and what is so after it. One that was cut off has happened or not."""
MOST_INSTANCES, MOST_SNAPSHOTS = 6, 12
SNAPSHOT_NAMES = [f"s{i}" for i in range(14)]


class Instance:
    def __init__(self, name, tree, running=False):
        self.name, self.tree, self.running = name, tree, running
        self.snapshots = {}  # name: Tree, never changed

    @property
    def path(self):
        return "/1.0/instances/" + self.name


class Plan:
    """@apply changes the world as the request does. @happened tells from the list of instances whether it did, None when
    that does not show it: then files decide. @look: instances to be compared afterwards."""

    def __init__(self, what, method, path, body, apply, happened, look=(), faults=()):
        self.what, self.method, self.path, self.body = what, method, path, body
        self.apply, self.happened, self.look, self.faults = apply, happened, look, faults

    def __str__(self):
        return f"{self.what}: {self.method} {self.path} {self.body or ''}"


def there(name):
    return lambda listing: name in listing


def looks(random, instance):
    """One that is stopped has to be started to be looked at; the next who starts it sees it all, too."""
    return [instance.name] if instance.running or random.random() < 0.3 else []


def create(world, random):
    if len(world.instances) >= MOST_INSTANCES:
        return None
    name = world.new_name()
    new = Instance(name, world.image.copy())
    body = {"name": name, "profiles": [], "config": world.config, "source": {"type": "image", "alias": world.alias},
            "devices": {"root": {"type": "disk", "path": "/", "pool": world.pool}}}
    return Plan("create", "POST", "/1.0/instances", body, lambda: world.add(new), there(name), [name],
                ["create.stored", "create.row", "create.volume", "create.committed"])


def copy(world, random):
    source = world.some(random)
    if not source or len(world.instances) >= MOST_INSTANCES:
        return None
    name, snapshot = world.new_name(), random.choice([None, None, *source.snapshots])
    alone = snapshot is not None or random.random() < 0.5
    body = {"name": name, "source": {"type": "copy", "source": f"{source.name}/{snapshot}" if snapshot else source.name,
                                     "instance_only": alone}}

    def apply():
        new = Instance(name, (source.snapshots[snapshot] if snapshot else source.tree).copy(below=True))
        if not alone:
            new.snapshots = dict(source.snapshots)
        if not snapshot and not source.running:
            source.tree.sink()
        world.add(new)

    return Plan("copy", "POST", "/1.0/instances", body, apply, there(name), [name, *looks(random, source)],
                ["copy.volume", "copy.committed", "snapshot.layer", "snapshot.frozen", "snapshot.copied"])


def snapshot(world, random):
    instance = world.some(random)
    if not instance:
        return None
    name = random.choice(SNAPSHOT_NAMES)
    reuse = name in instance.snapshots
    if not reuse and len(instance.snapshots) >= MOST_SNAPSHOTS:
        return None

    mark = world.new_name()

    def apply():
        instance.snapshots[name] = instance.tree.copy()
        if not instance.running:
            instance.tree.sink()

    body = {"name": name, "stateful": False, "reuse": reuse, "description": mark}
    return Plan("snapshot", "POST", instance.path + "/snapshots", body, apply,
                lambda listing: listing[instance.name][1].get(name) == mark, looks(random, instance), ["snapshot.layer", "snapshot.frozen", "snapshot.copied", "snapshot.committed"])


def restore(world, random):
    instance = world.some(random, lambda instance: instance.snapshots)
    if not instance:
        return None
    name = random.choice(sorted(instance.snapshots))

    def apply():
        instance.tree = instance.snapshots[name].copy(below=True)

    return Plan("restore", "PUT", instance.path, {"restore": name}, apply, lambda listing: None, [instance.name],
                ["restore.layer", "restore.committed"])


def delete_snapshot(world, random):
    instance = world.some(random, lambda instance: instance.snapshots)
    if not instance:
        return None
    name = random.choice(sorted(instance.snapshots))
    return Plan("delete snapshot", "DELETE", f"{instance.path}/snapshots/{name}", None, lambda: instance.snapshots.pop(name),
                lambda listing: name not in listing[instance.name][1], looks(random, instance), ["snapshot.deleted"])


def rename_snapshot(world, random):
    instance = world.some(random, lambda instance: instance.snapshots)
    free = [name for name in SNAPSHOT_NAMES if name not in instance.snapshots] if instance else None
    if not free:
        return None
    old, new = random.choice(sorted(instance.snapshots)), random.choice(free)

    def apply():
        instance.snapshots[new] = instance.snapshots.pop(old)

    return Plan("rename snapshot", "POST", f"{instance.path}/snapshots/{old}", {"name": new}, apply,
                lambda listing: new in listing[instance.name][1])


def rename(world, random):
    instance = world.some(random, lambda instance: not instance.running)
    if not instance:
        return None
    old, new = instance.name, world.new_name()

    def apply():
        del world.instances[old]
        instance.name = new
        world.add(instance)

    return Plan("rename", "POST", instance.path, {"name": new}, apply, there(new), [new] if random.random() < 0.3 else [], ["rename.row"])


def delete(world, random):
    instance = world.some(random)
    if not instance or len(world.instances) < 2:
        return None
    return Plan("delete", "DELETE", instance.path + "?force=1", None, lambda: world.instances.pop(instance.name),
                lambda listing: instance.name not in listing, [],
                ["delete.row"])


def start(world, random):
    instance = world.some(random, lambda instance: not instance.running)
    return switch(instance, "start", True, ["start.spec", "start.spawned", "start.running"]) if instance else None


def stop(world, random):
    instance = world.some(random, lambda instance: instance.running)
    return switch(instance, "stop", False, ["stop.killed", "ended.noticed", "ended.forgotten"]) if instance else None


def switch(instance, action, running, faults=()):
    def apply():
        instance.running = running

    return Plan(action, "PUT", instance.path + "/state", {"action": action, "force": True, "timeout": 30}, apply,
                lambda listing: listing[instance.name][0] is running, [instance.name] if running else [], faults)


ALL = {create: 4, copy: 7, snapshot: 14, restore: 10, delete_snapshot: 5, rename_snapshot: 3, rename: 3, delete: 4, start: 6, stop: 7}


def choose(world, random):
    plan = None
    while plan is None:
        plan = random.choices(list(ALL), list(ALL.values()))[0](world, random)
    return plan
