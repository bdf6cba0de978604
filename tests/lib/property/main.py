"""main.py DRIVER: random steps against a daemon, and a model of what must be so after each.

STEPS says how many (2000), SEED which, CHECK after how many everything is compared, snapshots too (1000). What is killed at a
moment in time, not at a point of the program, may end otherwise when a seed is used again."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import tap
from session import clean, directories, prepare, report
from world import World


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
