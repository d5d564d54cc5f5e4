#!/bin/bash
#SBATCH --job-name=shard
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --gres=gpu:1
#SBATCH --time=02:00:00
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
# shard.sh RUN SHARDS MODEL DATA [options of layergeom run], as an array of SHARDS jobs
run=$1 shards=$2
shift 2
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
srun layergeom run "$@" -o "$run" --shard "$SLURM_ARRAY_TASK_ID/$shards"
code=$?
if [ "$code" -eq 138 ]; then # SIGUSR1: out of time, and the finished parts are kept
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
