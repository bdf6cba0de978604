"""The instances as they must be, and steps that change them and the daemon's in the same way."""
import collections
import random
import signal

import image
import operations
import plans
import worker
from daemon import Cut, Daemon, Failure
from tree import differences

MOST_AT_ONCE = 12  # operations on files in a step
LAST = 30  # steps that are told after a failure


class World:
    # What was cut off stays so: else a daemon that comes after one that was killed starts it at some time.
    alias, config = image.ALIAS, {"boot.autostart": "false"}

    def __init__(self, driver, seed):
        self.random, self.seed, self.driver = random.Random(seed), seed, driver
        self.stacked = driver == "overlay"
        self.pool = "default" if self.stacked else driver
        self.image = image.make_tree(self.stacked)
        self.instances, self.names, self.daemon = {}, 0, Daemon()
        self.history = collections.deque(maxlen=LAST)
        self.counts, self.workers = collections.Counter(), {}
        self.steps = 0

    def new_name(self):
        self.names += 1
        return f"i{self.names}"

    def add(self, instance):
        self.instances[instance.name] = instance

    def some(self, chooser, fits=lambda instance: True):
        fitting = [instance for instance in self.instances.values() if fits(instance)]
        return chooser.choice(fitting) if fitting else None

    def note(self, text):
        self.history.append(f"step {self.steps}: {text}")

    # ---- what is there ----

    def listing(self):
        """{name: (running, {snapshot: description})}"""
        answer = self.daemon.call("GET", "/1.0/instances?recursion=2&fields=name,status,snapshots")
        descriptions = {}
        for one in answer:
            snapshots = self.daemon.call("GET", f"/1.0/instances/{one['name']}/snapshots?recursion=1") if one["snapshots"] else []
            descriptions[one["name"]] = one["status"] == "Running", {s["name"].rpartition("/")[2]: s["description"] for s in snapshots}
        return descriptions

    def compare_listing(self):
        answer = self.daemon.call("GET", "/1.0/instances?recursion=2&fields=name,status,snapshots")
        seen = {one["name"]: (one["status"], sorted(s["name"].rpartition("/")[2] for s in one["snapshots"] or ())) for one in answer}
        want = {name: ("Running" if i.running else "Stopped", sorted(i.snapshots)) for name, i in self.instances.items()}
        if seen != want:
            raise Failure(f"instances are {seen} instead of {want}")

    def init(self, name):
        """Its first process, or None."""
        pid = self.daemon.call("GET", f"/1.0/instances/{name}/state")["pid"]
        return pid if pid > 0 else None

    def switch(self, name, action):
        if action == "stop":
            self.release(name)
        self.daemon.call("PUT", f"/1.0/instances/{name}/state", {"action": action, "force": True, "timeout": 30})

    def view(self, name):
        """What the instance sees of its files; one that is stopped is started for that."""
        pid = self.init(name)
        if pid:
            return worker.look(pid)
        self.switch(name, "start")
        seen = worker.look(self.init(name))
        self.switch(name, "stop")
        return seen

    def perform(self, instance, batch):
        pid = self.init(instance.name)
        if instance not in self.workers or self.workers[instance].pid != pid:
            self.release(instance.name)
            self.workers[instance] = worker.Worker(pid)
        problem = self.workers[instance].perform(batch)
        if problem:
            raise Failure(f"in {instance.name}: {problem}")

    def release(self, name):
        """Before what ends an instance."""
        one = self.workers.pop(self.instances.get(name), None)
        if one:
            one.close()

    def release_all(self):
        for name in list(self.instances):
            self.release(name)

    def compare(self, name):
        tree, seen = self.instances[name].tree, self.view(name)
        lines = differences(tree.describe(), seen)
        if lines:
            raise Failure(f"{name} differs:\n" + "\n".join(lines))
        tree.adopt(seen)

    def compare_snapshot(self, instance, name):
        lines = self.compare_copy(f"{instance.name}/{name}", instance.snapshots[name])
        if lines:
            raise Failure(f"{instance.name}/{name} differs:\n" + "\n".join(lines))

    def compare_copy(self, source, tree):
        self.daemon.call("POST", "/1.0/instances", {"name": "check", "source": {"type": "copy", "source": source}})
        seen = self.view("check")
        self.daemon.call("DELETE", "/1.0/instances/check?force=1")
        return differences(tree.describe(), seen)

    def compare_all(self):
        self.note("compare all")
        for instance in self.instances.values():
            self.compare(instance.name)
            for name in instance.snapshots:
                self.compare_snapshot(instance, name)

    # ---- steps ----

    def write(self):
        instance = self.some(self.random, lambda instance: instance.running) or self.some(self.random)
        if not instance.running:
            self.switch(instance.name, "start")
            instance.running = True
        batch = operations.choose(self.random, instance.tree, self.random.randint(1, MOST_AT_ONCE))
        self.note(f"write in {instance.name}: " + "; ".join(map(operations.tell, batch)))
        self.perform(instance, batch)
        self.compare(instance.name)

    def ask(self):
        plan = plans.choose(self, self.random)
        self.counts[plan.what] += 1
        self.note(str(plan))
        self.release_for(plan)
        self.daemon.call(plan.method, plan.path, plan.body)
        plan.apply()
        for name in plan.look:
            self.compare(name)

    def release_for(self, plan):
        if plan.what in ("stop", "restore", "delete"):
            self.release(plan.path.split("/")[3].partition("?")[0])

    def restart(self, fault=None):
        self.daemon.stop(self.random.choice([signal.SIGTERM, signal.SIGKILL]))
        self.daemon.start(fault)

    def rest(self):
        self.note("restart")
        self.restart()

    def cut(self):
        """kill -9 in the middle."""
        plan = plans.choose(self, self.random)
        if plan.what == "restore" and not self.shows(plan):
            return
        fault = self.random.choice(plan.faults) if plan.faults and self.random.random() < 0.5 else None
        delay = self.random.random() * 0.05
        self.release_for(plan)
        self.note(f"cut off {'at ' + fault if fault else 'after %d ms' % (delay * 1000)}: {plan}")
        if fault:
            self.restart(fault)
            try:
                self.daemon.call(plan.method, plan.path, plan.body)
            except Cut:
                pass
            self.daemon.stop(signal.SIGKILL)
        else:
            self.daemon.call_and_kill(plan.method, plan.path, plan.body, delay)
        self.daemon.start()
        self.settle(plan)

    def shows(self, plan):
        """Whether files tell a restore from none."""
        instance = next(i for i in self.instances.values() if i.path == plan.path)
        return bool(differences(instance.tree.describe(), instance.snapshots[plan.body["restore"]].describe()))

    def settle(self, plan):
        """The old state or the new one."""
        listing = self.listing()
        happened = plan.happened(listing)
        if happened is None:
            name = plan.look[0]
            happened = bool(differences(self.instances[name].tree.describe(), self.view(name)))
        if happened:
            plan.apply()
        self.note("it has happened" if happened else "it has not")
        self.counts["cut: " + ("new" if happened else "old")] += 1
        # A forced deletion and a restore stop it first.
        path = plan.path.partition("?")[0].partition("/state")[0]
        concerned = {instance for instance in self.instances.values() if instance.path == path}
        for instance in concerned:
            instance.running = listing.get(instance.name, (instance.running,))[0]
        for name in plan.look:
            if name in self.instances:
                self.compare(name)

    def begin(self):
        plan = plans.create(self, self.random)
        self.daemon.call(plan.method, plan.path, plan.body)
        plan.apply()
        self.compare(plan.look[0])

    def step(self):
        if not self.instances:
            self.begin()
        kind = self.random.choices([self.write, self.ask, self.rest, self.cut], [50, 50, 0.5, 2])[0]
        self.counts[kind.__name__] += 1
        kind()
        self.compare_listing()

    def run(self, count):
        """So many steps, then all of it."""
        for _ in range(count):
            self.steps += 1
            self.step()
        self.compare_all()
