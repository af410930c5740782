"""The checks of this project: ``python -m pip install nox && nox`` runs them all."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import nox


nox.needs_version = ">=2025.10.14"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = [
    "lint",
    "typing",
    "package",
    "tests",
    "lowest",
    "integrations",
    "e2e",
    "frameworks",
    "faults",
    "docs",
]

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
EXTRAS = PROJECT["project"]["optional-dependencies"]


def pyenv_versions(wanted: list[str]) -> list[str]:
    """Return the newest patch release that pyenv holds of each wanted version."""
    listing = subprocess.run(
        ["pyenv", "versions", "--bare"], capture_output=True, text=True, check=False
    ).stdout
    newest: dict[str, tuple[int, str]] = {}
    for name in listing.split():
        release = re.fullmatch(r"(3\.\d+)\.(\d+)", name)
        if release and release[1] in wanted:
            patch = int(release[2])
            newest[release[1]] = max(newest.get(release[1], (-1, "")), (patch, name))
    return [newest[version][1] for version in wanted if version in newest]


def name_pyenv_versions() -> None:
    """Make every interpreter of pyenv answer to its name, ``python3.12`` and the like.

    A pyenv shim refuses to run until PYENV_VERSION names its version. The variable
    holds for this process and its children only.
    """
    if shutil.which("pyenv"):
        os.environ["PYENV_VERSION"] = ":".join([*pyenv_versions(PYTHONS), "system"])


def answers(version: str) -> bool:
    """Tell whether this machine has an interpreter of this version that starts."""
    command = shutil.which(f"python{version}")
    if command is None:
        return False
    start = subprocess.run([command, "-c", ""], capture_output=True, check=False)
    return start.returncode == 0


name_pyenv_versions()
FOUND = [version for version in PYTHONS if answers(version)]

# What happens to files and processes does not hang on the version of Python: one will
# do, best the one for which there is a fuzzer.
HOSTILE = ["tests/faults", "tests/hostile"]
# Text and how it is read, shown and redacted: the same code on every version, so the
# newest Python alone runs these; what hangs on the interpreter runs on all of them.
TEXT = [
    f"tests/test_{subject}.py"
    for subject in (
        "cli_open_steps",
        "cli_terminal",
        "completion",
        "conversation",
        "diagnosis",
        "docs",
        "escape",
        "glance",
        "house",
        "large_trees",
        "open_steps",
        "packed",
        "plain_record",
        "reading",
        "reading_cost",
        "recovery",
        "redact",
        "redact_linear",
        "render",
        "tree",
        "unfolding",
    )
]
# What values become, what stays in memory and what is imported hangs on the interpreter
# a little: the oldest and the newest.
A_LITTLE = [
    "tests/capture",
    "tests/test_demo.py",
    "tests/test_ends.py",
    "tests/test_examples.py",
    "tests/test_flat_memory.py",
    "tests/test_housekeeping.py",
    "tests/test_imports.py",
]
# This needs a large library, whose installation takes longer than all its tests.
TABLES = "tests/capture/test_arrays.py"
# These need the libraries that agents are made with.
REAL_PARTS = ["tests/integrations", "tests/e2e"]
FRAMEWORK_PAGES = ["langchain", "litellm", "mcp", "openai-agents", "opentelemetry"]
FRAMEWORK_CLASSES = [
    "langchain.LangChainSteps",
    "litellm.LiteLLMSteps",
    "openai_agents.OpenAIAgentsSteps",
    "opentelemetry.OpenTelemetrySteps",
]
CLIENTS = {
    "old": ["openai==2.*", "anthropic==1.*"],
    "new": ["openai==3.*", "anthropic==2.*"],
}
ALL_CORES = ["--numprocesses=auto"]
# The examples of one page stay together: see conftest.py.
PAGES = [*ALL_CORES, "--dist=loadgroup"]
HARDENED = "3.11" if "3.11" in FOUND else (FOUND or PYTHONS)[-1]


def artefacts(session: nox.Session) -> Path:
    """Return the directory in which the session `package` leaves what it built."""
    return Path(session.cache_dir).resolve() / "package"


def install_wheel(session: nox.Session, *requirements: str) -> None:
    """Install the built wheel and step out of the checkout.

    The tests then run in the unpacked sdist, from which the package was taken out:
    the installed wheel is the only `ai_trace` that can be imported.
    """
    (wheel,) = artefacts(session).glob("*.whl")
    session.install(str(wheel), *requirements)
    session.chdir(artefacts(session) / "unpacked")
    session.run(
        "python",
        "-c",
        "import ai_trace, sysconfig as s; print('testing', ai_trace.__file__);"
        "assert ai_trace.__file__.startswith(s.get_path('purelib'))",
    )


def group(name: str) -> tuple[str, ...]:
    """Return the requirements of one dependency group of pyproject.toml."""
    return nox.project.dependency_groups(PROJECT, name)


def keep_models(session: nox.Session) -> None:
    """Keep the language model from one run to the next."""
    models = Path(session.cache_dir).resolve() / "models"
    session.env["E2E_MODELS"] = str(models)


def run_tests(session: nox.Session, what: list[str], *requirements: str) -> None:
    """Run tests against the wheel, on all cores."""
    install_wheel(session, *group("tests"), *requirements)
    session.run("pytest", *what, *ALL_CORES, "-q", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format, spelling and pyproject.toml."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell")
    session.run("validate-pyproject", "pyproject.toml")


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types of the package, and of its API as users see it."""
    session.install(*PROJECT["project"]["dependencies"], *group("typing"))
    # Each takes half a minute on one core, so both at once.
    with subprocess.Popen([str(Path(session.bin) / "mypy")]) as mypy:
        session.run("pyright")
    if mypy.returncode:
        session.error(f"mypy ended with status {mypy.returncode}: see above.")


@nox.session
def package(session: nox.Session) -> None:
    """Build the sdist, and the wheel from it; unpack the sdist for the tests."""
    session.install("build")
    target = artefacts(session)
    shutil.rmtree(target, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(target))
    (sdist,) = target.glob("*.tar.gz")
    shutil.unpack_archive(sdist, target)
    (target / sdist.name[: -len(".tar.gz")]).rename(target / "unpacked")
    shutil.rmtree(target / "unpacked" / "ai_trace")


@nox.session(python=PYTHONS, requires=["package"])
def tests(session: nox.Session) -> None:
    """Run the tests on one version of Python; on the newest with the faster encoder."""
    newest = session.python == FOUND[-1]
    left = [] if newest else [*TEXT, TABLES]
    if session.python not in (FOUND[0], FOUND[-1]):
        left += A_LITTLE
    if left:
        session.log(f"Run on other versions of Python: {', '.join(left)}")
    elsewhere = [*HOSTILE, *REAL_PARTS, *left]
    what = ["tests", *(f"--ignore={path}" for path in elsewhere)]
    run_tests(session, what, *([*EXTRAS["fast"], *group("tables")] if newest else ()))


@nox.session(python=FOUND[:1] or False, requires=["package"])
def lowest(session: nox.Session) -> None:
    """Run what leans on the dependencies with the oldest of them and of Pythons."""
    if not FOUND:
        session.error(
            f"No test has run: this machine has none of Python {', '.join(PYTHONS)}. "
            "Install one of them, so that a command such as python3.12 starts it."
        )
    if PYTHONS.index(FOUND[0]) > PYTHONS.index("3.13"):
        session.skip(
            f"NOT TRIED: of the oldest dependencies some have no wheels for Python "
            f"{FOUND[0]}. Install Python 3.9, so that python3.9 starts it"
        )
    floors = [name.replace(">=", "==") for name in PROJECT["project"]["dependencies"]]
    leaning = ["shapes", "generators", "async_generators", "recursion"]
    what = [f"tests/fidelity/test_{subject}.py" for subject in leaning]
    run_tests(session, [*what, "tests/test_predecessor.py"], *floors)


@nox.session(python=HARDENED, requires=["package"])
def faults(session: nox.Session) -> None:
    """Let system calls fail, processes die, files lie; print how often.

    These are the figures of the page on reliability: AI_TRACE_FIGURES=docs/explanation/
    figures.json writes them there. With the faster reader: it passes over most of a
    line, and so has the most to answer for.
    """
    target = os.environ.get("AI_TRACE_FIGURES")
    if target:
        session.env["AI_TRACE_FIGURES"] = str(Path(target).resolve())
    run_tests(session, HOSTILE, *group("faults"), *EXTRAS["fast"])


@nox.session(python=HARDENED, requires=["package"])
def frameworks(session: nox.Session) -> None:
    """Run the real frameworks, and the examples on their pages."""
    install_wheel(session, *group("tests"), *group("frameworks"))
    shown = "tests/test_docstrings.py::test_example[ai_trace.integrations.{}]"
    what = ["tests/integrations/frameworks"]
    what += [f"docs/how-to/{name}.md" for name in FRAMEWORK_PAGES]
    what += [shown.format(name) for name in FRAMEWORK_CLASSES]
    session.run("pytest", *what, *PAGES, "-q", *session.posargs)


@nox.session(python=HARDENED, requires=["package"])
@nox.parametrize("clients", [*CLIENTS])
def integrations(session: nox.Session, clients: str) -> None:
    """Run the clients of OpenAI and Anthropic, of both majors, against a socket."""
    install_wheel(session, *group("tests"), "genai-prices", *CLIENTS[clients])
    what = ["tests/integrations/clients", *ALL_CORES]
    session.run("pytest", *what, "-q", *session.posargs)


@nox.session(python=HARDENED, requires=["package"])
def e2e(session: nox.Session) -> None:
    """Let the real clients talk to a real small language model, kept in the cache."""
    keep_models(session)
    install_wheel(session, *group("tests"), *group("e2e"))
    # Each worker starts a model: a file stays with one.
    what = ["tests/e2e", *ALL_CORES, "--dist=loadfile"]
    session.run("pytest", *what, "-q", *session.posargs)


@nox.session(requires=["package"])
def docs(session: nox.Session) -> None:
    """Build the pages with every warning an error, and run their examples."""
    html = Path(session.create_tmp()).resolve() / "html"
    install_wheel(session, *group("docs"))
    session.run("sphinx-build", "-n", "-W", "--keep-going", "-q", "docs", str(html))
    others = [f"--ignore=docs/how-to/{name}.md" for name in FRAMEWORK_PAGES]
    what = ["README.md", "docs", *others, *PAGES]
    session.run("pytest", *what, "-q", *session.posargs)


def environment(session: nox.Session, name: str, *wanted: str) -> str:
    """Make an environment of its own; return its interpreter."""
    place = Path(session.create_tmp()).resolve() / name
    session.run("python", "-m", "venv", "--clear", str(place))
    python = str(place / "bin" / "python")
    session.run(python, "-m", "pip", "install", "-q", *wanted, external=True)
    return python


@nox.session(python=HARDENED, requires=["package"])
def bench(session: nox.Session) -> None:
    """Measure what it costs, here and elsewhere, in some twenty minutes.

    Asked for by name. ``nox -s bench -- --quick`` measures little, to see it run.
    """
    here = Path(__file__).parent / "benchmarks"
    (wheel,) = artefacts(session).glob("*.whl")
    clients = ["genai-prices", *CLIENTS["new"], *group("model")]
    session.install(str(wheel), *EXTRAS["fast"], *clients)
    keep_models(session)
    pythons = [
        str(Path(session.bin) / "python"),
        environment(session, "standard", str(wheel)),
        environment(session, "peers", *group("peers")),
    ]
    what = [str(here / "bench.py"), *pythons, str(here / "results.md")]
    session.run("python", *what, *session.posargs)


@nox.session(python=HARDENED, requires=["package"])
def soak(session: nox.Session) -> None:
    """Record five million steps and look at large trees; asked for by name."""
    here = Path(__file__).parent / "benchmarks"
    (wheel,) = artefacts(session).glob("*.whl")
    session.install(str(wheel), *EXTRAS["fast"])
    what = [str(here / "soak.py"), str(here / "results.md")]
    session.run("python", *what, *session.posargs)
