#!/bin/bash
# submit.sh RUN SHARDS MODEL DATA [options of layergeom run]
# An array of jobs that read a shard each, and a job that waits for all of them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
run=$1 shards=$2
shift 2
array=$(sbatch --parsable --array="1-$shards" "$here/shard.sh" "$run" "$shards" "$@")
rest=$(sbatch --parsable --dependency="afterok:$array" --kill-on-invalid-dep=yes \
    "$here/merge.sh" "$run" "$@")
echo "$array $rest"
