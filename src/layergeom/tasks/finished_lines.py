"""Finished pieces of a job, one line each behind a line that says of which call they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from layergeom.errors import InputError


class FinishedLines:
    """A file to which every finished piece is added, and from which the same call goes on.

    Parameters
    ----------
    path : Path
    key : str
        Of the call: another key in the file is refused.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._key = key

    def read(self) -> list[dict[str, Any]]:
        """Return what is finished; a line that was cut off in writing is dropped.

        Raises
        ------
        InputError
            If the file is of another call.
        """
        if not self._path.is_file():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps({"key": self._key}) + "\n", encoding="utf-8")
            return []
        lines = self._path.read_text(encoding="utf-8").split("\n")
        if json.loads(lines[0])["key"] != self._key:
            raise InputError(
                f"{self._path} holds results of another model, data or settings; choose another "
                "folder or remove the file."
            )
        whole = lines[1:-1]  # what stands behind the last line end is unfinished
        if lines[-1]:
            self._path.write_text("\n".join([lines[0], *whole]) + "\n", encoding="utf-8")
        return [json.loads(line) for line in whole]

    def add(self, content: dict[str, Any]) -> None:
        """Write one more, through to the disk."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(content) + "\n")
