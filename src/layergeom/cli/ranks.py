"""Which of several processes this one is, as those who start processes tell it.

torchrun sets ``RANK``, ``WORLD_SIZE`` and ``LOCAL_RANK``; srun sets ``SLURM_PROCID``,
``SLURM_STEP_NUM_TASKS`` and ``SLURM_LOCALID``. Not ``SLURM_NTASKS``: a batch script has it too,
where one process runs alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from layergeom.errors import InputError

LAUNCHERS = (
    ("RANK", "WORLD_SIZE", "LOCAL_RANK"),  # first: torchrun may itself be started by srun
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"),
)


@dataclass(frozen=True)
class Rank:
    """One of several processes that carry out one command.

    Attributes
    ----------
    number, of : int
        Which one, counted from 0, and how many there are.
    local : int
        Which one of those on this machine, counted from 0.
    variable : str
        What says that there are several, as ``WORLD_SIZE=4``.
    """

    number: int
    of: int
    local: int
    variable: str

    @property
    def shard(self) -> str:
        """The share of this process, as ``i/n``.

        Examples
        --------
        >>> Rank(0, 4, 0, "WORLD_SIZE=4").shard
        '1/4'
        """
        return f"{self.number + 1}/{self.of}"

    def device(self, asked: str | None, gpus: int) -> str | None:
        """Return the device of this process: its own GPU where several are seen.

        Parameters
        ----------
        asked : str or None
            As of ``--device``. What names one device is kept.
        gpus : int
            How many this process sees.

        Examples
        --------
        >>> rank = Rank(5, 8, 1, "WORLD_SIZE=8")
        >>> rank.device("cuda", 4), rank.device(None, 4), rank.device("cuda:0", 4)
        ('cuda:1', 'cuda:1', 'cuda:0')
        >>> rank.device("cuda", 1), rank.device(None, 0)
        ('cuda', None)
        """
        return f"cuda:{self.local}" if gpus > 1 and asked in (None, "auto", "cuda") else asked


def rank_of(environment: Mapping[str, str] = os.environ) -> Rank | None:
    """Return which of several processes this one is; None if it is alone.

    Raises
    ------
    InputError
        If the variables name no process.

    Examples
    --------
    >>> rank_of({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"})
    Rank(number=1, of=2, local=1, variable='WORLD_SIZE=2')
    >>> rank_of({"RANK": "0", "WORLD_SIZE": "1"})
    """
    for rank, world, local in LAUNCHERS:
        if rank in environment and world in environment:
            return _rank(environment, rank, world, local)
    return None


def _rank(environment: Mapping[str, str], rank: str, world: str, local: str) -> Rank | None:
    said = {name: environment.get(name, "0") for name in (rank, world, local)}
    told = ", ".join(f"{name}={value}" for name, value in said.items())
    if not all(value.isdecimal() for value in said.values()) or not (
        int(said[rank]) < int(said[world])
    ):
        raise InputError(f"{told} name none of several processes; unset them, or give --shard i/n.")
    found = Rank(int(said[rank]), int(said[world]), int(said[local]), f"{world}={said[world]}")
    return found if found.of > 1 else None


def check_alone(command: str) -> None:
    """Refuse a command that several processes would carry out each for itself.

    Raises
    ------
    InputError
        If this is one of several processes.
    """
    rank = rank_of()
    if rank is not None:
        raise InputError(
            f"{command} is not shared by the {rank.of} processes that were started "
            f"({rank.variable}); start one."
        )
