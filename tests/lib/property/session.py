"""The beginning and the end of a test with a world in it, and what is told when it fails."""
import contextlib
import os
import shutil
import sqlite3
import traceback

import image
from daemon import DIRECTORY, Cut, Failure
from world import LAST

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
    if isinstance(error, Exception) and not isinstance(error, (Failure, Cut)):
        lines.append("".join(traceback.format_exception(error)))
    with open(f"{DIRECTORY}/sysctd.log", errors="replace") as log:
        lines += ["the daemon's last words:", *log.readlines()[-15:]]
    return "\n".join(line.rstrip("\n") for line in lines)


def directories(world):
    """Of layers, in the database and on the disk."""
    with contextlib.closing(sqlite3.connect(f"file:{DIRECTORY}/sysct.db?mode=ro", uri=True)) as database:
        rows = {row[0] for row in database.execute(LAYERS, [world.pool])}
    pool = f"{DIRECTORY}/storage-pools/{world.pool}"
    return rows, {f"{kind}/{name}" for kind in ("instances", "layers") for name in os.listdir(f"{pool}/{kind}")}


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
