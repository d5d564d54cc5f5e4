"""Every layergeom command in the documents names a command and options that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from layergeom.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = typer.main.get_command(app).commands
PROMPT = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)


def calls(page: Path) -> list[list[str]]:
    blocks = PROMPT.findall(page.read_text(encoding="utf-8"))
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    named = [w for w in words if any(part.rsplit("/", 1)[-1] == "layergeom" for part in w)]
    return [w[[p.rsplit("/", 1)[-1] for p in w].index("layergeom") + 1 :] for w in named]


@pytest.mark.parametrize("page", [p for p in PAGES if calls(p)], ids=lambda p: p.name)
def test_commands_in_the_documents_exist(page: Path) -> None:
    for name, *words in calls(page):
        if name.startswith("-"):
            continue
        options = {o for p in COMMANDS[name].params for o in (*p.opts, *p.secondary_opts)}
        given = [w.split("=")[0] for w in words if re.match(r"-{1,2}[a-z]", w)]
        assert [w for w in given if w not in options | {"--help"}] == [], f"{page.name}: {name}"
