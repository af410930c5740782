"""
The examples in the docstrings of the package.
"""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import ai_trace


OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples() -> Iterator[doctest.DocTest]:
    """Yield the examples of each docstring that has some."""
    for found in pkgutil.walk_packages(ai_trace.__path__, "ai_trace."):
        if not found.name.endswith("__main__"):
            try:
                module = importlib.import_module(found.name)
            except ai_trace.TraceConfigError:
                # An integration without its framework: the session `frameworks` has it.
                continue
            public = {name: getattr(ai_trace, name) for name in ai_trace.__all__}
            names = {**public, **vars(module)}
            for test in doctest.DocTestFinder().find(module, globs=names):
                if test.examples:
                    yield test


@pytest.mark.parametrize("example", list(examples()), ids=lambda example: example.name)
def test_example(example: doctest.DocTest) -> None:
    """What a docstring shows happens."""
    output: list[str] = []

    failed, _ = doctest.DocTestRunner(optionflags=OPTIONS).run(
        example, out=output.append
    )

    assert not failed, "".join(output)
