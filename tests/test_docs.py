"""
What the pages in ``docs/`` have to name, so that they cannot fall behind the package.

That their examples run, and that no reference in them leads nowhere, is held by the nox
session ``docs``.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from cli_runs import run

import ai_trace
from ai_trace import (
    _header,
    _record,
    diagnosis,
    housekeeping,
    reading,
    recovery,
    testing,
)
from ai_trace import typing as ai_trace_typing


ROOT = Path(__file__).parent.parent
PACKAGE = Path(ai_trace.__file__).parent
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")
KEY = re.compile(r"`(\w+)`")


def page(name: str) -> str:
    """Return the text of a page."""
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """Return what stands below a heading of the second level."""
    _, found, rest = f"\n{text}".partition(f"\n## {title}\n")
    assert found, f"There is no section {title!r}."
    return rest.partition("\n## ")[0]


def described(text: str) -> set[str]:
    """Return the options that stand in the first column of a section's table."""
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {option for cell in cells for option in OPTION.findall(cell)}


def verbs(tmp_path: Path) -> list[str]:
    """Return the verbs that the command's own help names."""
    listed = run("--help", cwd=tmp_path).stdout.partition("\nverbs:\n")[2]
    return re.findall(r"^  (\w+) ", listed.partition("\n\n")[0], re.MULTILINE)


def test_verbs(tmp_path: Path) -> None:
    """The page of the command line has a section for each verb, in the help's order."""
    titles = re.findall(r"^## (\w+)$", page("reference/cli"), re.MULTILINE)

    assert verbs(tmp_path) == titles


def test_options(tmp_path: Path) -> None:
    """Each section names the options that the verb's help names, and no other."""
    text = page("reference/cli")
    differing = {}
    for verb in verbs(tmp_path):
        shown = run(verb, "--help", cwd=tmp_path).stdout
        listed = re.split(r"\n(?:optional arguments|options):\n", shown)[1]
        lines = re.findall(r"^  (-.*)$", listed.partition("\n\n")[0], re.MULTILINE)
        wanted = {option for line in lines for option in OPTION.findall(line[:30])}
        found = described(section(text, verb)) | {"-h", "--help"}
        if wanted != found:
            differing[verb] = wanted ^ found

    assert {} == differing


def keys_of(value: object) -> Iterator[str]:
    """Yield the keys of a verb's JSON and of the objects that it lists."""
    if isinstance(value, dict):
        yield from value
        for each in value.values():
            if isinstance(each, list):
                yield from (key for one in each for key in keys_of(one))


SESSION_WITH_ALL = """\
import os
from ai_trace import Tracer, step, traced
Tracer("agent").activate()
traced(kind="llm")(lambda model: None)("toy")
step("open").start()
os._exit(0)
"""


def test_keys_of_the_json(tmp_path: Path) -> None:
    """The page of the command line names each key that a verb's JSON has, no other."""
    command = [sys.executable, "-c", SESSION_WITH_ALL]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    text = page("reference/cli")
    differing = {}
    for words in ("list", "stats", "doctor", "recover", "compress", "prune --yes"):
        verb, *options = words.split()
        options += ["--keep-last", "1"] if verb == "prune" else []
        printed = json.loads(run(verb, *options, "--json", cwd=tmp_path).stdout)
        _, _, table = section(text, verb).partition("| key of the JSON |")
        cells = [row.split("|")[:3] for row in table.splitlines() if row[:3] == "| `"]
        named = {key for cell in cells for key in KEY.findall(cell[1])}
        told = {key for cell in cells for key in KEY.findall(cell[2])}
        printed_keys = set(keys_of(printed))
        if not named <= printed_keys <= named | told:
            differing[verb] = printed_keys ^ named

    assert {} == differing


def public_names() -> Iterator[str]:
    """Yield the names that users may import, as they stand on the page of the API."""
    for module in (ai_trace, reading, recovery, diagnosis, housekeeping):
        yield from module.__all__
    for module in (testing, ai_trace_typing):
        yield from (
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", None) == module.__name__
            and not name.startswith("_")
        )


def test_api() -> None:
    """The page of the API describes every public name."""
    pattern = r"^\.\. (?:auto|py:)\w+:: ([\w.]+)"
    shown = re.findall(pattern, page("reference/api"), re.MULTILINE)
    names = {name.rpartition(".")[2] for name in shown}

    assert set() == set(public_names()) - names


def test_extras() -> None:
    """The page of the API says of each extra what it brings, and of no other."""
    offered = metadata.metadata("ai-decision-tracer").get_all("Provides-Extra")
    rows = section(page("reference/api"), "Extras").splitlines()
    cells = [row.split("|")[1] for row in rows if row.startswith("| `")]
    told = [extra for cell in cells for extra in re.findall(r"`([\w-]+)`", cell)]

    assert sorted(offered or []) == sorted(told)


def notes_in(tree: ast.AST) -> Iterator[str]:
    """Yield the words that a module puts into notes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values):
                if isinstance(key, ast.Constant) and key.value == "note":
                    yield from words(value)
        elif isinstance(node, ast.Call) and len(node.args) > 1:
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("_say", "make_note", "note"):
                yield from words(node.args[1])


def words(node: ast.AST) -> Iterator[str]:
    """Yield the texts that an expression may come to."""
    if isinstance(node, ast.IfExp):
        yield from words(node.body)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def test_notes() -> None:
    """The page of the file format explains every note that the package makes."""
    explained = section(
        page("reference/file-format"), "Notes: what was done to a record"
    )
    made = {
        note
        for path in PACKAGE.rglob("*.py")
        for note in notes_in(ast.parse(path.read_text(encoding="utf-8")))
    }

    assert {"truncated", "gap", "reopened"} <= made
    assert set() == {note for note in made if f"`{note}`" not in explained}


def test_outcomes_and_kinds() -> None:
    """The page of the file format names every outcome and every kind."""
    text = page("reference/file-format")
    words_of_it = {*_record.OUTCOMES, *_record.KINDS}

    assert set() == {word for word in words_of_it if f"`{word}`" not in text}


def test_keys_of_a_line(tmp_path: Path) -> None:
    """The page of the file format explains every key of a line and of the header."""
    with ai_trace.Tracer("agent", tmp_path) as tracer:
        with pytest.raises(ValueError, match="bad"), tracer.step("a", x=object()) as s:
            s.set_result(1)
            raise ValueError("bad")
    (record,) = reading.read(tracer.path or "").steps
    text = page("reference/file-format")
    keys = {*record.to_dict(), "function", "session"}

    assert set() == {key for key in keys if f"| `{key}` |" not in text}
    header = section(text, "The header")
    keys = set(_header.SessionHeader("", "").to_dict())
    assert set() == {key for key in keys if f"`{key}`" not in header}


def modules() -> set[str]:
    """Return the files of the package as the page of the architecture names them."""
    paths = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    return {path.as_posix() for path in paths}


def test_architecture() -> None:
    """The page of the architecture says of each module what it is for."""
    text = page("architecture")
    named = set(re.findall(r"^\| `([\w/.]+\.py)` \|", text, re.MULTILINE))

    assert modules() == named


def test_pages_are_listed() -> None:
    """The list of how-to pages leads to each of them."""
    listed = page("how-to/index")
    files = {path.name for path in (ROOT / "docs" / "how-to").glob("*.md")}

    assert {"index.md"} == {name for name in files if f"]({name})" not in listed}


def test_sessions_of_nox() -> None:
    """CONTRIBUTING.md names the sessions of nox in their order, all of them."""
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    (wanted,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and ast.unparse(node.targets[0]) == "nox.options.sessions"
    ]
    by_name = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any("nox.session" in ast.unparse(each) for each in node.decorator_list)
        and node.name not in wanted
    ]
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

    assert wanted + by_name == re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
