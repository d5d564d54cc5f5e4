#!/bin/bash
#SBATCH --job-name=dask
#SBATCH --ntasks=4
#SBATCH --cpus-per-task=8
#SBATCH --time=02:00:00
# dask.sh RUN MODEL DATA [options of layergeom run]
run=$1
shift
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
mkdir -p "$run"
scheduler=$(mktemp --suffix=.json "$PWD/scheduler-XXXXXX") # where all machines see it
rm "$scheduler"
dask scheduler --no-dashboard --port 0 --scheduler-file "$scheduler" &
trap 'kill $(jobs -p); wait; rm -f "$scheduler"' EXIT
srun dask worker --no-dashboard --nthreads 1 --death-timeout 120 --scheduler-file "$scheduler" &
python -c 'import sys; from distributed import Client
Client(scheduler_file=sys.argv[1], timeout=120).wait_for_workers(int(sys.argv[2]), timeout=120)
' "$scheduler" "$SLURM_NTASKS" || exit
layergeom run "$@" -o "$run" --cluster "$scheduler"
