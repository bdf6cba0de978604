"""power_loss.py DRIVER DISK MOMENTS: what is left of snapshots when the power fails, at random moments of random work.

DISK, with the file system that is mounted on the daemon's directory, is a file on btrfs: a copy that shares its blocks is of a
single moment, and has what the kernel had written by then and nothing else. Afterwards each copy is mounted as the next boot
would: the daemon starts, every snapshot that had been reported as done is there with its files, every instance starts."""
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import plans
import tap
from daemon import DIRECTORY, Cut, Failure
from session import clean, directories, prepare, report
from tree import differences
from world import World

FIRST = 15  # steps before the first moment
BETWEEN = 12  # steps from one moment to the next, at most
PATIENCE = 30


def run(*command):
    subprocess.run(command, check=True)


def unmount():
    """Monitors and the reclaiming of what was deleted may take a moment yet."""
    if not tap.wait_until(PATIENCE, lambda: subprocess.run(["umount", DIRECTORY], stderr=subprocess.DEVNULL).returncode == 0):
        raise Failure(f"{DIRECTORY} stays busy")


class Moment:
    """@plan was under way, and may have happened or not."""

    def __init__(self, world, disk, number):
        self.file, self.plan, self.step = f"{disk}.{number}", None, world.steps
        self.snapshots = {instance.path: dict(instance.snapshots) for instance in world.instances.values()}

    def take(self, disk):
        run("cp", "--reflink=always", disk, self.file)

    def forget(self, plan):
        """What it takes away, or replaces."""
        self.plan = plan
        instance = plan.path.partition("?")[0].partition("/snapshots")[0]
        if plan.what in ("delete", "rename"):
            self.snapshots.pop(instance)
        elif "snapshot" in plan.what:
            names = plan.path.rpartition("/")[2], (plan.body or {}).get("name")
            self.snapshots[instance] = {name: tree for name, tree in self.snapshots[instance].items() if name not in names}


def take_during(world, moment, disk):
    """While a request is answered."""
    plan = plans.choose(world, world.random)
    world.note(f"{moment.file} during {plan}")
    moment.forget(plan)
    world.release_for(plan)
    child = os.fork()
    if child == 0:
        try:
            world.daemon.call(plan.method, plan.path, plan.body)
            os._exit(0)
        finally:
            os._exit(1)
    time.sleep(world.random.random() * 0.05)
    moment.take(disk)
    if os.waitpid(child, 0)[1] != 0:
        raise Failure(f"{plan} failed")
    plan.apply()
    for name in plan.look:
        world.compare(name)


def work(world, disk, count):
    moments = []
    for number in range(count):
        for _ in range(world.random.randint(1, BETWEEN) + (0 if moments else FIRST)):
            world.steps += 1
            world.random.choice([world.write, world.ask])() if world.instances else world.begin()
        moment = Moment(world, disk, number)
        if world.random.random() < 0.5:
            world.note(f"{moment.file} at rest")
            moment.take(disk)
        else:
            take_during(world, moment, disk)
        moments.append(moment)
    return moments


def boot(world, moment):
    run("mount", "-o", "loop", moment.file, DIRECTORY)
    for name in ("run", "cgroup", "unix.socket"):  # what is below /run, otherwise
        path = f"{DIRECTORY}/{name}"
        shutil.rmtree(path) if os.path.isdir(path) else os.path.lexists(path) and os.unlink(path)
    world.daemon.start()
    shutil.copy(f"{DIRECTORY}/cgroup", f"{os.environ['TMPDIR']}/state/cgroup")


def check_snapshots(world, moment):
    """Lines of what is wrong."""
    listing = {f"/1.0/instances/{name}": snapshots for name, (_, snapshots) in world.listing().items()}
    for instance, snapshots in moment.snapshots.items():
        for name, tree in snapshots.items():
            if name not in listing.get(instance, ()):
                yield f"{instance}/{name} is not there"
                continue
            try:
                lines = world.compare_copy(f"{instance.rpartition('/')[2]}/{name}", tree)
            except Failure as error:
                lines = [str(error)]
                world.daemon.call("DELETE", "/1.0/instances/check?force=1")
            yield from (f"{instance}/{name}: {line}" for line in lines)


def check_instances(world):
    for name in world.listing():
        try:
            world.view(name)
        except (Failure, OSError) as error:
            yield f"{name}: {error}"


def agree(world):
    rows, disk = directories(world)
    return rows == disk


def check(world, moment):
    title = f"{world.driver}, SEED={world.seed}, step {moment.step}, {f'during {moment.plan.what}' if moment.plan else 'at rest'}"
    boot(world, moment)
    lines = [*check_snapshots(world, moment), *check_instances(world)]
    if not tap.wait_until(PATIENCE, lambda: agree(world)):
        lines.append(f"directories and rows differ: {directories(world)}")
    if lines:
        lines.append(report(world, "the work before"))
    tap.ok(not lines, f"{title}: {sum(map(len, moment.snapshots.values()))} snapshots are there", "\n".join(lines))
    clean(world)
    unmount()
    os.unlink(moment.file)


def main(driver, disk, count):
    world = World(driver, int(os.environ.get("SEED", time.time_ns() % 10**9)))
    tap.diag(f"driver {driver}: SEED={world.seed}")
    prepare(world)
    try:
        moments = work(world, disk, count)
    except (Failure, Cut, OSError) as error:
        tap.ok(False, f"{driver}: work", report(world, error))
        moments = []
    clean(world)
    unmount()
    world.instances.clear()
    for moment in moments:
        check(world, moment)
    return tap.done()


sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
