"""main.py DRIVER: random steps against a daemon, and a model of what must be so after each.

STEPS says how many (2000), SEED which, CHECK after how many everything is compared, snapshots too (1000). What is killed at a
moment in time, not at a point of the program, may end otherwise when a seed is used again."""
import os
import shutil
import sqlite3
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import tap
import image
from daemon import DIRECTORY, Cut, Failure
from world import LAST, World


LAYERS = "SELECT directory FROM storage_layers JOIN storage_pools ON storage_pools.id = pool_id WHERE name = ?"


def prepare(world):
    image.write(f"{DIRECTORY}/etc", f"{os.environ['SYSCT_TEST_IMAGES']}/busybox")
    world.daemon.start()
    # Where the janitor of the test host looks: it does not see what is mounted here.
    os.makedirs(f"{os.environ['TMPDIR']}/state", exist_ok=True)
    shutil.copy(f"{DIRECTORY}/cgroup", f"{os.environ['TMPDIR']}/state/cgroup")
    if world.pool != "default":
        config = {"size": "5GiB"} if world.driver == "btrfs" else {}
        world.daemon.call("POST", "/1.0/storage-pools", {"name": world.pool, "driver": world.driver, "config": config})


def report(world, error):
    lines = [f"{type(error).__name__}: {error}", f"run it again with SEED={world.seed}; the last {LAST} steps:", *world.history]
    if not isinstance(error, (Failure, Cut)):
        import traceback
        lines.append("".join(traceback.format_exception(error)))
    with open(f"{DIRECTORY}/sysctd.log", errors="replace") as log:
        lines += ["the daemon's last words:", *log.readlines()[-15:]]
    return "\n".join(line.rstrip("\n") for line in lines)


def run(world, steps, every):
    """Whether all of it held."""
    while world.steps < steps:
        first = world.steps + 1
        try:
            world.run(min(every, steps - world.steps))
        except Exception as error:
            return tap.ok(False, f"{world.driver}: step {world.steps}, SEED={world.seed}", report(world, error))
        tap.ok(True, f"{world.driver}: steps {first} to {world.steps}, and everything compared")
    return True


def directories(world):
    """Of layers, in the database and on the disk."""
    with sqlite3.connect(f"file:{DIRECTORY}/sysct.db?mode=ro", uri=True) as database:
        rows = {row[0] for row in database.execute(LAYERS, [world.pool])}
    pool = f"{DIRECTORY}/storage-pools/{world.pool}"
    return rows, {f"{kind}/{name}" for kind in ("instances", "layers") for name in os.listdir(f"{pool}/{kind}")}


def end(world):
    rows = disk = None

    def agree():
        nonlocal rows, disk
        rows, disk = directories(world)
        return rows == disk

    tap.ok(tap.wait_until(30, agree), "directories on the disk are those in the database", f"{rows} {disk}")
    world.release_all()
    for name in list(world.instances):
        world.daemon.call("DELETE", f"/1.0/instances/{name}?force=1")
    tap.ok(tap.wait_until(30, lambda: directories(world) == (set(), set())), "with the last instance the last layer is gone",
           directories(world))


def clean(world):
    """Whatever happened."""
    world.release_all()
    if not world.daemon.answers():
        world.daemon.start()
    for one in world.daemon.call("GET", "/1.0/instances?recursion=1"):
        world.daemon.call("DELETE", f"/1.0/instances/{one['name']}?force=1")
    if world.pool != "default":
        world.daemon.call("DELETE", f"/1.0/storage-pools/{world.pool}")
    world.daemon.stop()


def main(driver):
    steps, seed = int(os.environ.get("STEPS", 2000)), int(os.environ.get("SEED", time.time_ns() % 10**9))
    world = World(driver, seed)
    tap.diag(f"driver {driver}: SEED={seed} STEPS={steps}")
    sys.stdout.flush()
    prepare(world)
    began = time.monotonic()
    if run(world, steps, int(os.environ.get("CHECK", 1000))):
        end(world)
    tap.diag(f"{world.steps} steps, {time.monotonic() - began:.1f} s: {dict(sorted(world.counts.items()))}")
    clean(world)
    return tap.done()


sys.exit(main(sys.argv[1]))
