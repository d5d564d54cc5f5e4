#!/bin/bash
#SBATCH --job-name=merge
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --time=02:00:00
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
# merge.sh RUN MODEL DATA [options of layergeom run]
run=$1
shift
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
if [ -d "$run/states/shards" ]; then
    srun layergeom merge "$run" || exit
fi
srun layergeom run "$@" -o "$run"
code=$?
if [ "$code" -eq 138 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
