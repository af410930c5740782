"""
The page of results: sections that are replaced one by one.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path


ABOUT = """\
# What it costs

Measured by `nox -s bench` and `nox -s soak`. Absolute times move with the machine;
ratios in one run hold.
"""


def put(page: Path, title: str, lines: Iterable[str]) -> None:
    """
    Write a section, in place of the one of the same title or behind all others.

    Args:
        page: The page; it is made if need be.
        title: The section's title.
        lines: What stands in it.
    """
    before = page.read_text(encoding="utf-8") if page.exists() else ABOUT
    head, *sections = re.split(r"^(?=## )", before, flags=re.MULTILINE)
    text = "\n".join([f"## {title}", "", *lines, "", ""])
    titles = [section.split("\n", 1)[0] for section in sections]
    if f"## {title}" in titles:
        sections[titles.index(f"## {title}")] = text
    else:
        sections.append(text)
    whole = [head, *sections]
    page.write_text("\n\n".join(map(str.strip, whole)) + "\n", encoding="utf-8")


def machine() -> str:
    """Return what a run was made on."""
    return (
        f"Python {platform.python_version()} on {platform.system()} "
        f"{platform.machine()}, {os.cpu_count()} cores."
    )


def versions(python: str) -> str:
    """Return the versions of what is installed in an environment."""
    code = (
        "import json, importlib.metadata as m; print(json.dumps(sorted("
        "f\"{d.metadata['Name']} {d.version}\" for d in m.distributions())))"
    )
    done = subprocess.run([python, "-c", code], check=True, capture_output=True)
    skipped = ("pip ", "setuptools ", "wheel ")
    names = [name for name in json.loads(done.stdout) if not name.startswith(skipped)]
    return ", ".join(names)
