"""Sphinx settings: MyST pages in Furo, every unknown reference a warning."""

from __future__ import annotations

import builtins
import sys
from importlib import metadata


project = "ai_trace"
author = "The ai_trace authors"
copyright = "The ai_trace authors, MIT License"
release = metadata.version("ai-decision-tracer")
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"ai_trace {release}"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autoclass_content = "class"
napoleon_numpy_docstring = False

# The pages are built without a network, so that other projects' indexes are not there:
# names of the standard library are taken on trust, ours are not.
_stdlib = "|".join(sorted(sys.stdlib_module_names))
_builtins = "|".join(name for name in dir(builtins) if not name.startswith("_"))
nitpick_ignore_regex = [
    (r"py:.*", rf"({_stdlib}|typing_extensions)(\..+)?"),
    (r"py:.*", rf"({_builtins})"),
]
