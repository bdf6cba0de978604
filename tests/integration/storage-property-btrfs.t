#!/bin/bash
# Random steps on instances in a pool of the driver btrfs, each compared with a model: STEPS, SEED (tests/lib/property/main.py).
set -euo pipefail
exec "$(dirname "$0")/../lib/property/run" btrfs
