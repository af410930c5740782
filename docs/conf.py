"""Sphinx settings: MyST pages in Furo, every unknown reference a warning."""

from __future__ import annotations

import builtins
import json
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx


project = "ai_trace"
author = "The ai_trace authors"
copyright = "The ai_trace authors, MIT License"
release = metadata.version("ai-decision-tracer")
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"ai_trace {release}"

myst_enable_extensions = ["colon_fence", "deflist", "substitution"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autoclass_content = "class"
napoleon_numpy_docstring = False

# The pages are built without a network, so that other projects' indexes are not there:
# names of the standard library are taken on trust, ours are not.
# Python 3.9 does not list them: there, any module in lower case.
_stdlib = "|".join(sorted(getattr(sys, "stdlib_module_names", ["[a-z_]+"])))
_builtins = "|".join(name for name in dir(builtins) if not name.startswith("_"))
nitpick_ignore_regex = [
    (r"py:.*", rf"({_stdlib}|typing_extensions)(\..+)?"),
    (r"py:.*", rf"({_builtins})"),
    # pathlib's, type variables, and the aliases that the page of the API explains.
    (r"py:.*", r"(ai_trace\.\w+\.)?(Path|F|P|R|PathLike|Trace)"),
]

# The figures of the fault tests, written by them; see the page on reliability.
_figures = Path(__file__).parent / "explanation" / "figures.json"
_rows = json.loads(_figures.read_text("utf-8")) if _figures.exists() else {}
_table = "\n".join(f"| {name} | {number:,} |" for name, number in _rows.items())
myst_substitutions = {
    "figures": f"| what | how many |\n|---|---:|\n{_table}"
    if _rows
    else "*No run is recorded here.*"
}

ROOMS = ("reading", "recovery", "diagnosis", "testing", "typing")
PUBLIC = ("ai_trace", *(f"ai_trace.{room}" for room in ROOMS))


def find_public(
    app: Sphinx, env: Any, node: nodes.Element, content: nodes.Node
) -> nodes.Element | None:
    """Lead from a name in the module that defines it to where it is documented."""
    private, _, name = node.get("reftarget", "").rpartition(".")
    if node.get("refdomain") != "py" or not private.startswith("ai_trace"):
        return None
    domain = env.domains["py"]
    for module in PUBLIC:
        found: nodes.Element | None = domain.resolve_xref(
            env, node["refdoc"], app.builder, "obj", f"{module}.{name}", node, content
        )
        if found is not None:
            return found
    return None


def keep_colons(hide: bool) -> Any:
    """Keep napoleon from taking the words before a property's colon for its type."""
    old, new = (": ", "\0 ") if hide else ("\0 ", ": ")

    def replace(_app: Any, what: str, *rest: Any) -> None:
        if what in ("property", "attribute", "data"):
            rest[-1][:] = [line.replace(old, new) for line in rest[-1]]

    return replace


def setup(app: Sphinx) -> None:
    """Connect the above, the latter around napoleon."""
    app.connect("missing-reference", find_public)
    app.connect("autodoc-process-docstring", keep_colons(hide=True), priority=100)
    app.connect("autodoc-process-docstring", keep_colons(hide=False), priority=900)
