"""
The laws of the house, held over the source of the package that is imported.

The table of the floors below is the one place where they are written down for the
machine; a new module gets its place there.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Union

import pytest

import ai_trace


# A module imports only from floors above it in this table, and inside its floor only
# from modules that stand before it. "cli/" is a package in which every file may import
# every other, as long as no cycle arises; "render" is the file render/__init__.py.
FLOORS = {
    "ground": [
        "exceptions",
        "_version",
        "_named",
        "_signature",
        "_patterns",
        "_visible",
        "_redaction_arguments",
    ],
    "secrets": [
        "_secret_names",
        "_secret_tokens",
        "_secret_commands",
        "_secret_shapes",
        "_stand_ins",
        "_assigned",
        "_secret_syntax",
        "_secret_labels",
        "_secret_tables",
        "_redact",
    ],
    "types": [
        "_interruption",
        "_objects",
        "_outcome",
        "_told_exceptions",
        "_uncaught",
        "_arrays",
        "_field_types",
        "_tables",
        "_rows",
        "_exchanges",
        "_library_types",
        "_known_types",
    ],
    "capture": [
        "_limits",
        "_encode",
        "_notes",
        "_plain_words",
        "_leaves",
        "_told_items",
        "_cells",
        "_copy",
        "_capture",
    ],
    "words": [
        "_environment",
        "_names",
        "_moments",
        "_remarks",
        "_header",
        "_record",
        "_plain_record",
        "_plain_lines",
        "_glance",
        "_problem",
        "typing",
        "_sources",
        "_losses",
        "_ids",
        "_tally",
        "_journal",
        "_binder",
        "_definition",
    ],
    "grammar": ["_usage", "_records", "_growth", "_tree"],
    "reading": [
        "_packed",
        "_lines",
        "_lines_back",
        "_parts",
        "_files",
        "_line_store",
        "_session_info",
        "_find",
        "_meant",
        "_open_steps",
        "_skipped",
        "_file_walk",
        "_ends",
        "_walk",
        "_unfolding",
        "_recent",
        "_follow",
        "reading",
        "_deaths",
        "render._escape",
        "render._page_escape",
        "render._style",
        "render._values",
        "render._processes",
        "render._used",
        "render._fields",
        "render._facts",
        "render._conversation",
        "render._messages",
        "render._page_values",
        "render._page_messages",
        "render._guides",
        "render._details",
        "render._clock",
        "render._columns",
        "render._model_stats",
        "render.json",
        "render.markdown",
        "render.text",
        "render.chat",
        "render.stats",
        "render",
    ],
    "sinks": [
        "sinks._system",
        "sinks._files",
        "sinks._plain_file",
        "sinks._append",
        "sinks._locks",
        "sinks._journal",
        "sinks._parts",
        "sinks._writing",
        "sinks._jsonl",
        "sinks._documents",
        "sinks._memory",
        "sinks._patience",
        "sinks",
    ],
    "motor": [
        "_context",
        "_step",
        "_dispatch",
        "_recorder",
        "_draft",
        "_live_step",
        "_session_end",
        "_muted",
        "_tracer_arguments",
        "_live_recorders",
        "_tracer",
    ],
    "decorator": ["_current", "_traced_function", "_items", "_calls", "_traced"],
    "window": [""],
    "rooms": [
        "integrations/",
        "demo/",
        "testing",
        "recovery",
        "diagnosis",
        "housekeeping",
    ],
    "faces": ["cli/", "pytest_plugin", "__main__"],
}

CORE = ("secrets", "types", "capture", "words", "grammar", "motor", "decorator")
FLOOR_LINES = 1500
FILE_LINES = 400
FUNCTION_LINES = 60

# The files that call code which is not ours and may not fail with it.
FENCES = {
    "_capture",
    "_copy",
    "_dispatch",
    "_draft",
    "_ids",
    "_live_step",
    "_losses",
    "_outcome",
    "_redact",
    "_sources",
    "_tracer_arguments",
    "_calls",
    "integrations._call",
    "integrations._client",
    "integrations._foreign_step",
    "integrations._hooked_calls",
    "integrations._stream",
    "integrations._time_open",
    "sinks",
}

NAMES_THAT_SAY_NOTHING = {"utils", "helpers", "common", "misc"}
BANNED_MODULES = {"pickle", "marshal", "shelve"}
BANNED_CALLS = {"eval", "exec", "__import__", "yaml.load", "yaml.unsafe_load"}

PACKAGE = Path(ai_trace.__file__).parent
TESTS = Path(__file__).parent

Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def module_name(path: Path) -> str:
    """Return the dotted name of a file below the package: "" for its window."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def parse(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def nodes() -> Iterator[tuple[str, ast.AST]]:
    """Yield each node of each module, with the module's name."""
    for module, path in FILES.items():
        for node in ast.walk(parse(path)):
            yield module, node


def place(module: str, line: int) -> str:
    """Return where something is, as it is written in an editor."""
    return f"{FILES[module].relative_to(PACKAGE.parent)}:{line}"


def position(module: str) -> tuple[int, int] | None:
    """Return the floor and the place in it of a module, None if it has none."""
    rows = [module, *(f"{parent}/" for parent in parents(module))]
    for floor, listed in enumerate(FLOORS.values()):
        for row in rows:
            if row in listed:
                return floor, listed.index(row)
    return None


def parents(module: str) -> list[str]:
    """Return the packages that a module may stand for in the table."""
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def may_import(importer: str, imported: str) -> bool:
    """Tell whether the table lets one module import another."""
    here, there = position(importer), position(imported)
    if here is None or there is None:
        return False
    same_package = here == there and importer != imported
    return there < here or same_package


def absolute(importer: str, node: ast.ImportFrom) -> str | None:
    """Return the module, below the package, that a from-import names."""
    if node.level:
        is_package = FILES[importer].name == "__init__.py"
        parts = importer.split(".") if importer else []
        base = parts[: len(parts) - node.level + is_package]
        return ".".join(
            [*base, *((node.module or "").split(".") if node.module else [])]
        )
    return below_package(node.module or "")


def below_package(dotted: str) -> str | None:
    """Return the name below the package of one of its modules, None for others."""
    if dotted == "ai_trace":
        return ""
    return dotted[len("ai_trace.") :] if dotted.startswith("ai_trace.") else None


def imported_names(importer: str, node: ast.AST) -> Iterator[str | None]:
    """Yield the modules of the package that a statement or call imports."""
    if isinstance(node, ast.Import):
        yield from (below_package(alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = absolute(importer, node)
        if base is not None:
            for alias in node.names:
                inner = f"{base}.{alias.name}".lstrip(".")
                yield inner if inner in FILES else base
    elif isinstance(node, ast.Call) and called(node).endswith("import_module"):
        argument = node.args[0]
        if isinstance(argument, ast.Constant):
            yield below_package(str(argument.value))


def imports() -> Iterator[tuple[str, str, int]]:
    """Yield importer, imported and line, for each import inside the package.

    Imports in functions and imports for type checkers count like all others.
    """
    for importer, node in nodes():
        for imported in imported_names(importer, node):
            if imported is not None:
                yield importer, imported, node.lineno


def called(node: ast.Call) -> str:
    """Return the dotted name of what is called, "" if it has none."""
    return dotted_name(node.func)


def dotted_name(node: ast.AST | None) -> str:
    """Return a name as written, such as ``contextlib.suppress``."""
    if isinstance(node, ast.Attribute):
        return f"{dotted_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def docstring(node: ast.AST) -> ast.Expr | None:
    """Return the statement that holds the docstring of a module, class or function."""
    if not isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS)) or not node.body:
        return None
    first = node.body[0]
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return first if is_text and isinstance(first.value.value, str) else None


def span(node: ast.AST | None) -> range:
    """Return the lines that a node covers."""
    return range(node.lineno, node.end_lineno + 1) if node else range(0)


LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


def lines_of_code(path: Path) -> int:
    """Count the lines that hold code: not blank, not a comment, not a docstring."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(
        io.StringIO(path.read_text("utf-8")).readline
    ):
        if token.type not in LAYOUT:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(parse(path)):
        lines.difference_update(span(docstring(node)))
    return len(lines)


def test_every_module_has_its_place() -> None:
    """Each module of the package stands in the table of the floors."""
    without = [module for module in FILES if position(module) is None]

    assert [] == without


def test_imports_go_downwards() -> None:
    """A module imports only from below, or from before it on its own floor."""
    wrong = {
        f"{place(importer, line)} imports {imported or 'ai_trace'}"
        for importer, imported, line in imports()
        if not may_import(importer, imported)
    }

    assert set() == wrong


def test_no_import_cycle() -> None:
    """No chain of imports inside the package leads back to where it began."""
    edges: dict[str, set[str]] = {}
    for importer, imported, _ in imports():
        edges.setdefault(importer, set()).add(imported)
    while leaves := [name for name in edges if not edges[name] & edges.keys()]:
        for leaf in leaves:
            del edges[leaf]

    assert {} == edges


def test_modules_are_not_loaded_by_made_up_names() -> None:
    """Only window and unpickling load a module that no import names."""
    wrong = [
        place(module, node.lineno)
        for module, node in nodes()
        if isinstance(node, ast.Call)
        and called(node).endswith("import_module")
        and not isinstance(node.args[0], ast.Constant)
        and module not in ("", "_traced_function")
    ]

    assert [] == wrong


@pytest.mark.parametrize("floor", CORE)
def test_core_is_small(floor: str) -> None:
    """
    Each floor of the core has at most 1,500 lines of code.

    Blank lines, comments and docstrings are not counted. docs/architecture.md says
    why the limit holds for each floor and not for the core as a whole.
    """
    lines = {
        module: lines_of_code(path)
        for module, path in FILES.items()
        if module in FLOORS[floor]
    }

    assert sum(lines.values()) <= FLOOR_LINES, lines


def test_files_are_short() -> None:
    """A file has at most 400 lines, all of them counted."""
    lengths = {
        place(module, 1): len(path.read_text("utf-8").splitlines())
        for module, path in FILES.items()
    }

    assert {} == {name: n for name, n in lengths.items() if n > FILE_LINES}


def test_functions_are_short() -> None:
    """A function has at most 60 lines, its docstring left out."""
    lengths = {
        place(module, node.lineno): len(span(node)) - len(span(docstring(node)))
        for module, node in nodes()
        if isinstance(node, FUNCTIONS)
    }

    assert {} == {name: n for name, n in lengths.items() if n > FUNCTION_LINES}


def is_broad(kind: ast.AST | None) -> bool:
    """Tell whether an except clause of this kind catches what nobody named."""
    if isinstance(kind, ast.Tuple):
        return any(is_broad(one) for one in kind.elts)
    name = dotted_name(kind).rpartition(".")[2]
    return kind is None or name in ("Exception", "BaseException")


def catches_broadly(node: ast.AST) -> bool:
    """Tell whether a node is a broad except clause, or its like in contextlib."""
    if isinstance(node, ast.ExceptHandler):
        return is_broad(node.type)
    suppresses = isinstance(node, ast.Call) and called(node).endswith("suppress")
    return suppresses and any(is_broad(kind) for kind in node.args)


def test_broad_except_only_in_the_fences() -> None:
    """Only the named files catch Exception, BaseException or everything."""
    wrong = [
        place(module, node.lineno)
        for module, node in nodes()
        if catches_broadly(node) and not FENCES & {module, module.split(".")[0]}
    ]

    assert [] == wrong


@pytest.mark.parametrize("root", [PACKAGE, TESTS], ids=["package", "tests"])
def test_file_names_say_something(root: Path) -> None:
    """No file or directory is called utils, helpers, common or misc."""
    wrong = [
        path
        for path in root.rglob("*")
        if path.stem.strip("_").lower() in NAMES_THAT_SAY_NOTHING
    ]

    assert [] == wrong


# What loads the names of the top window when they are first asked for.
LAZY = {"TYPE_CHECKING", "_HOMES", "_HOME_OF", "__getattr__", "__dir__"}


def is_window_pane(module: str, node: ast.stmt) -> bool:
    """Tell whether a statement may stand in an ``__init__.py``."""
    may_stand = {"__all__"} | (LAZY if module == "" else set())
    if isinstance(node, FUNCTIONS):
        return node.name in may_stand
    if isinstance(node, ast.Assign):
        return {dotted_name(target) for target in node.targets} <= may_stand
    if isinstance(node, ast.If):
        return dotted_name(node.test) in may_stand
    return isinstance(node, (ast.Import, ast.ImportFrom))


def test_windows_have_no_logic() -> None:
    """An ``__init__.py`` holds imports and ``__all__``, the top one loads lazily."""
    wrong = [
        place(module, node.lineno)
        for module, path in FILES.items()
        if path.name == "__init__.py"
        for node in parse(path).body
        if node is not docstring(parse(path)) and not is_window_pane(module, node)
    ]

    assert [] == wrong


def roots_of_import(node: ast.AST) -> set[str]:
    """Return the top-level names of the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    is_absolute = isinstance(node, ast.ImportFrom) and not node.level
    return {(node.module or "").split(".")[0]} if is_absolute else set()


def is_banned(node: ast.AST) -> bool:
    """Tell whether a node runs text as code, or imports what can."""
    if isinstance(node, ast.Call):
        return called(node).replace("builtins.", "") in BANNED_CALLS
    return bool(roots_of_import(node) & BANNED_MODULES)


def test_no_data_is_run_as_code() -> None:
    """The package neither evaluates text nor loads formats that run code."""
    wrong = [place(module, node.lineno) for module, node in nodes() if is_banned(node)]

    assert [] == wrong


def test_every_test_says_its_rule() -> None:
    """Each test function has a docstring."""
    silent = [
        f"{path.relative_to(TESTS)}:{node.lineno} {node.name}"
        for path in sorted(TESTS.rglob("test_*.py"))
        for node in ast.walk(parse(path))
        if isinstance(node, FUNCTIONS) and node.name.startswith("test_")
        if not ast.get_docstring(node)
    ]

    assert [] == silent
