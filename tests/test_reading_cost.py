"""
What reading costs, counted and not timed: files opened, bytes read, lines decoded.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from datetime import datetime, timezone

import pytest
from cli_runs import header, run, write_session
from cli_runs import step as cli_step
from llm_steps import text as text_of
from trace_lines import encoded, fields, first_line, line, step_id, write

from ai_trace import _file_walk, _line_store, _lines, _recent, reading
from ai_trace._glance import glancer
from ai_trace._record import StepRecord, TraceLineError
from ai_trace._tree import Problem
from ai_trace.cli import _list, main
from ai_trace.cli._arguments import Parser
from ai_trace.render import text
from ai_trace.render._style import Style


# --- what a command loads ----------------------------------------------------------

# What may be loaded for help, and more for a list: each of them is a price paid at
# every start. The types of the reader, trees, journals, dataclasses and paths are not,
# nor is typing.
HELP = """
    ai_trace ai_trace.__main__ ai_trace._environment ai_trace._version ai_trace._visible
    ai_trace.cli ai_trace.cli._arguments
    ai_trace.cli._main ai_trace.cli._terminal ai_trace.cli._words ai_trace.exceptions
    ai_trace.render ai_trace.render._escape
""".split()
LIST = """
    ai_trace._encode ai_trace._files ai_trace._find ai_trace._header
    ai_trace._named ai_trace._names ai_trace._lines ai_trace._parts ai_trace._problem
    ai_trace._record ai_trace._session_info ai_trace._walk ai_trace._file_walk
    ai_trace._interruption
    ai_trace.cli._counted ai_trace.cli._list
    ai_trace.cli._sessions ai_trace.cli._style
    ai_trace.render._style ai_trace.render._values
""".split()
# What either may load of the standard library, with what that loads in turn.
STDLIB_OF_HELP = """
import __future__, argparse, errno, gettext, locale, textwrap
argparse.ArgumentParser().format_help()  # from Python 3.14, loads what colours it
"""
STDLIB_OF_LIST = "import __future__, collections.abc, json"

LOADED = """
import runpy, sys
{allowed}
sys.argv = ["ai-trace", *sys.argv[1:]]
before = set(sys.modules)
try:
    runpy.run_module("ai_trace", run_name="__main__")
except SystemExit:
    pass
print("\\n" + " ".join(sorted(set(sys.modules) - before)))
"""


def loaded(cwd, allowed, *words):
    """Return the modules that a command loads, besides those that it may."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", LOADED.format(allowed=allowed), *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


def test_help_loads_the_command_alone(tmp_path):
    """``ai-trace --help`` loads what says it and no more."""
    assert set() == loaded(tmp_path, STDLIB_OF_HELP, "--help") - set(HELP)


def test_list_loads_no_trees(tmp_path):
    """``ai-trace list`` loads what finds sessions and counts lines, and no more.

    Each module is a price paid at every start: typing would be a sixth of it.
    """
    write_session(tmp_path / "traces", "bot", "20240301_143022", [cli_step("a", 1)])
    modules = loaded(tmp_path, STDLIB_OF_LIST, "list")

    assert "ai_trace.cli._list" in modules
    assert set() == modules - set(HELP) - set(LIST)


@pytest.mark.parametrize("what", ["sessions", "agents"])
def test_names_for_a_shell_load_less_than_a_list(tmp_path, what):
    """What a shell asks for at each press of a key loads no more than a list does."""
    write_session(tmp_path / "traces", "bot", "20240301_143022", [cli_step("a", 1)])
    modules = loaded(
        tmp_path, f"{STDLIB_OF_LIST}; {STDLIB_OF_HELP.strip()}", "completion", what
    )

    assert {"ai_trace.cli._completion"} == modules - set(HELP) - set(LIST)


def test_a_list_with_options_loads_little_more(tmp_path):
    """The options of a list do not load what only a tree needs."""
    write_session(tmp_path / "traces", "bot", "20240301_143022", [cli_step("a", 1)])
    allowed = f"{STDLIB_OF_LIST}\n{STDLIB_OF_HELP}"
    words = ("list", "-n", "20", "--errors", "--since", "2h")
    modules = loaded(tmp_path, allowed, *words)

    more = {"ai_trace.cli._criteria", "ai_trace.cli._moment"}
    assert more == modules - set(HELP) - set(LIST)


def test_a_verb_without_words_has_its_defaults():
    """The arguments that are taken for a list without words are those of its parser."""
    parser = Parser("ai-trace list", "", "")
    _list.add_arguments(parser)

    assert vars(parser.parse([])) == _list.DEFAULTS


# --- how many files are opened -----------------------------------------------------


@pytest.fixture
def opened(monkeypatch):
    """Count the trace files that are opened, and the bytes read from them."""
    paths = []
    descriptor = _lines._descriptor

    def counting(path):
        paths.append(os.fspath(path))
        return descriptor(path)

    monkeypatch.setattr(_lines, "_descriptor", counting)
    return paths


@pytest.fixture
def many(tmp_path):
    """A directory of 300 sessions of two agents."""
    directory = tmp_path / "many"
    for number in range(300):
        session_id = f"20240301_{number // 60:02d}{number % 60:02d}00"
        write_session(directory, f"bot{number % 2}", session_id, [cli_step("a", 1)])
    return directory


def test_the_newest_are_opened_alone(many, opened, capsys):
    """A short list opens only those of many sessions that it shows."""
    assert 0 == main(["--dir", str(many), "list", "-n", "20"])
    rows = capsys.readouterr().out.splitlines()[1:]

    assert [f"20240301_04{59 - n:02d}00" for n in range(20)] == [
        r.split()[0] for r in rows
    ]
    assert 20 == len(set(opened))
    assert 40 >= len(opened)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (None, "bot1_20240301_045900"),
        ("latest", "bot1_20240301_045900"),
        ("20240301_010000", "bot0_20240301_010000"),
        ("bot0_20240301_010000.jsonl", "bot0_20240301_010000"),
        ("0301_0100", "bot0_20240301_010000"),
    ],
)
def test_a_session_is_found_by_the_names(many, opened, wanted, found):
    """The session that is meant is found without a look into the others."""
    assert many / f"{found}.jsonl" == reading.resolve(many, wanted)
    assert len(opened) <= 2


def test_a_limit_gives_the_newest(many, opened):
    """``find`` opens nothing, and a session is opened once to tell its header."""
    first = reading.find(many, limit=7)
    assert 0 == len(opened)
    assert 7 == len([(info.header, info.header, info.problem) for info in first])
    assert 7 == len(opened)
    newest = [info.stem for info in reading.find(many)][:7]
    assert newest == [info.stem for info in first]


def test_sessions_of_one_second_are_in_their_order(tmp_path):
    """Of sessions that began in one second, the later one comes first."""
    for number, suffix in enumerate(["", "_2", "_3"]):
        stem = f"bot_20240301_143022{suffix}"
        session = header("bot", stem[4:], started_at=1709303422.9 - number / 10)
        write(tmp_path, encoded({**fields(1), "session": session}), stem=stem)

    assert [info.stem for info in reading.find(tmp_path)] == [
        "bot_20240301_143022",
        "bot_20240301_143022_2",
        "bot_20240301_143022_3",
    ]
    assert "bot_20240301_143022" == reading.find(tmp_path, limit=1)[0].stem


# --- how much of a file is read ----------------------------------------------------


class Counting:
    """A file that counts the bytes read from it."""

    def __init__(self, file, counts):
        self._file = file
        self._counts = counts

    def read(self, *size):
        data = self._file.read(*size)
        self._counts.append(len(data))
        return data

    def readline(self, *size):
        data = self._file.readline(*size)
        self._counts.append(len(data))
        return data

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._file.close()


@pytest.fixture
def counts(monkeypatch):
    """The sizes of all that is read from trace files."""
    sizes = []
    open_raw = _lines._open_raw
    monkeypatch.setattr(
        _lines, "_open_raw", lambda path: Counting(open_raw(path), sizes)
    )
    return sizes


def rounds(count):
    """Return the lines of rounds: three steps in one, each ended before the next."""
    lines = []
    for root in range(0, 4 * count, 4):
        lines += [line(child, root) for child in (root + 1, root + 2, root + 3)]
        lines.append(line(root, finished_at=fields(root)["started_at"] + 3.9))
    return [first_line(9_999_999), *lines]


def test_the_end_is_read_alone(tmp_path, counts, capsys):
    """What ``tail`` and ``view --step`` read does not grow with the file."""
    read = {}
    for count in (3_000, 6_000):
        directory = tmp_path / str(count)
        directory.mkdir()
        path = write(directory, *rounds(count))
        assert path.stat().st_size > 300 * 3_000
        near = step_id(4 * count - 8)
        for words in (["tail", "--no-follow"], ["view", "--step", near]):
            counts.clear()
            assert 0 == main(["--dir", str(directory), *words])
            read.setdefault(words[0], []).append(sum(counts))
    out = capsys.readouterr().out

    assert "3 more below" in out
    assert max(read["tail"]) < 200_000
    assert max(read["view"]) < 300_000


def shown(session, wanted, depth):
    """Return what is shown of a step."""
    top = session.find(wanted)
    return list(text.tree(session, Style(), full=True, depth=depth, top=top))


def test_damaged_lines_do_not_hide_what_stands_before_them(tmp_path):
    """What is below a step near the end is shown however many lines are damaged."""
    ended = fields(1)["started_at"] + 900
    damaged = [b"damaged\n"] * 100
    path = write(
        tmp_path, first_line(0), line(2, 1), *damaged, line(1, finished_at=ended)
    )

    near = _recent.read_around(path, step_id(1), below=True)

    assert near is not None
    top = near.find(step_id(1))
    assert top is not None
    assert ["step 2"] == [step.name for step in near.children(top)]
    assert 100 == len(near.problems)


@pytest.mark.parametrize("depth", [1, None])
def test_a_step_near_the_end_is_shown_as_by_a_reader_of_all(tmp_path, depth):
    """A step, and what is below it, is the same whether all is read or the end."""
    lines = rounds(200)
    lines[-20:-20] = [b"damaged\n", line(900, 780)]
    path = write(tmp_path, *lines)
    whole = reading.read(path)

    for number in (*range(700, 800), 900):
        near = _recent.read_around(path, step_id(number), below=True)
        assert near is not None
        assert shown(whole, step_id(number), depth) == shown(
            near, step_id(number), depth
        )
        assert len(near.steps) < 200
        assert {"damaged"} >= {problem.kind for problem in near.problems}


def test_a_step_far_from_the_end_is_looked_for_everywhere(tmp_path):
    """An old step, a part of an id and a call to a model are read by a look at all."""
    lines = rounds(3_000)
    call = fields(20_000, kind="llm", context={"messages": []})
    path = write(tmp_path, *lines, encoded(call))

    for wanted in (step_id(8), "8", step_id(20_000), "f" * 16):
        assert _recent.read_around(path, wanted) is None
    assert (
        "step 8" in run("--dir", ".", "view", "--step", step_id(8), cwd=tmp_path).stdout
    )


def test_a_step_with_much_around_it_is_found(tmp_path):
    """A step that others overlap is shown with all that is below it."""
    lines = [first_line(0)]
    # A thousand of them run at once, and each has a child that ends behind it.
    lines += [
        line(n, finished_at=fields(n)["started_at"] + 900) for n in range(1, 1_000)
    ]
    lines += [line(10_000 + n, n) for n in range(1, 1_000)]
    path = write(tmp_path, *lines)
    whole = reading.read(path)

    for number in (1, 500, 999):
        near = _recent.read_around(path, step_id(number), below=True)
        assert near is not None
        assert shown(whole, step_id(number), None) == shown(near, step_id(number), None)


# --- how many lines are decoded ----------------------------------------------------


def test_plain_lines_are_decoded_once_at_most(tmp_path, monkeypatch, capsys):
    """``stats`` and ``list`` decode the lines that are not plain, and no others."""
    lines = [
        encoded(fields(n)).replace(b", ", b",").replace(b": ", b":") for n in range(900)
    ]
    lines[0] = first_line(0)
    lines[300] = b"damaged\n"
    lines[600] = encoded({**fields(600), "later": 1})
    write(tmp_path, *lines)
    decoded = []
    for name in ("decode_all", "decode_line"):
        original = getattr(_file_walk, name)

        def counting(one, *session, original=original):
            decoded.append(one)
            return original(one, *session)

        monkeypatch.setattr(_file_walk, name, counting)
    for words in (["stats"], ["list"]):
        decoded.clear()
        assert 0 == main(["--dir", str(tmp_path), *words])
        assert len(decoded) in (2, 3)
    assert "899" in capsys.readouterr().out


def as_written(*lines):
    """Return lines as a tracer writes them, without spaces."""
    return [each.replace(b", ", b",").replace(b": ", b":") for each in lines]


def test_a_header_is_taken_off_its_line(tmp_path, monkeypatch, capsys):
    """A list of many decodes no line that is as a tracer writes it, nor the first."""
    for number in range(9):
        lines = as_written(first_line(0), *(line(n) for n in range(1, 90)))
        write(tmp_path, *lines, stem=f"bot_20240301_14302{number}")
    decoded = []
    for name, found in (("decode_all", []), ("decode_line", None)):
        monkeypatch.setattr(
            _file_walk, name, lambda *one, found=found: decoded.append(one) or found
        )

    assert 0 == main(["--dir", str(tmp_path), "list"])
    assert [] == decoded
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [["bot", "90", "0"]] * 9 == [
        [r.split()[n] for n in (1, -4, -3)] for r in rows
    ]


def test_a_session_is_opened_once(tmp_path, opened, capsys):
    """A list of many opens each file once and reads it with one call."""
    for number in range(9):
        lines = as_written(first_line(0), *(line(n) for n in range(1, 90)))
        write(tmp_path, *lines, stem=f"bot_20240301_14302{number}")

    assert 0 == main(["--dir", str(tmp_path), "list"])
    assert 9 == len(opened) == len(set(opened))
    assert 10 == len(capsys.readouterr().out.splitlines())


def plain_lines(count, **more):
    """Return lines as a tracer writes them, the header on the first."""
    lines = [encoded({**fields(n), **more}) for n in range(1, count)]
    lines = [each.replace(b", ", b",").replace(b": ", b":") for each in lines]
    return [first_line(0), *lines]


A_CALL = {
    "kind": "llm",
    "context": {"messages": [text_of("user", "Sell?")]},
    "result": {"messages": [text_of("assistant", "No.")]},
}


def moment(number):
    """Return when a step of these lines started, as a person writes it."""
    started_at = datetime.fromtimestamp(fields(number)["started_at"], timezone.utc)
    return started_at.isoformat()


@pytest.fixture
def loaded_lines(monkeypatch):
    """Note each line that is decoded because its step is looked at."""
    sizes = []
    decode = _line_store.decode

    def counting(one, session):
        sizes.append(one.size)
        return decode(one, session)

    monkeypatch.setattr(_line_store, "decode", counting)
    return sizes


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--errors"], {"step 400", "step 800"}),
        (["--kind", "tool"], {"step 800"}),
        (["--errors", "--name", "step 8*"], {"step 800"}),
        (["--errors", "--grep", "btc"], {"step 400", "step 800"}),
        (["--since", moment(898)], {"step 898", "step 899"}),
        (["--until", moment(2)], {"step 0", "step 1"}),
        (["--since", moment(300), "--until", moment(302)], {"step 300", "step 301"}),
        (["--since", moment(500), "--errors"], {"step 800"}),
    ],
)
@pytest.mark.parametrize("output", [[], ["--json"]])
def test_what_is_not_asked_for_is_not_decoded(
    tmp_path, loaded_lines, capsys, words, expected, output
):
    """``view`` decodes the steps that went wrong, or began in time, and no others."""
    lines = plain_lines(900)
    for n, more in ((400, {}), (800, {"kind": "tool"})):
        failed = {**fields(n), "outcome": "error", "error": "E: x", **more}
        lines[n] = encoded(failed).replace(b", ", b",").replace(b": ", b":")
    write(tmp_path, *lines)

    assert 0 == main(["--dir", str(tmp_path), "view", *words, *output])
    out = capsys.readouterr().out
    assert expected == set(re.findall(r"step \d+\b", out))
    # Whether any is, whether it is itself, and to show it; of 900 steps.
    assert len(loaded_lines) <= 6


def test_calls_after_the_last_step_are_not_decoded(tmp_path, loaded_lines, capsys):
    """``view --until`` reads the calls before what it shows, and no others."""
    write(tmp_path, *plain_lines(900, **A_CALL))

    assert 0 == main(["--dir", str(tmp_path), "view", "--until", moment(2)])
    assert {"step 0", "step 1"} == set(
        re.findall(r"step \d+\b", capsys.readouterr().out)
    )
    assert len(loaded_lines) <= 6


def test_conversations_are_all_that_is_decoded(tmp_path, loaded_lines, capsys):
    """``view --chat`` decodes the calls of models, and no others."""
    lines = plain_lines(900)
    lines[400:402] = plain_lines(402, **A_CALL)[400:]
    write(tmp_path, *lines)

    assert 0 == main(["--dir", str(tmp_path), "view", "--chat"])
    assert 2 == capsys.readouterr().out.count("No.")
    # To find their conversation, and to show it.
    assert 4 == len(loaded_lines)


def named_lines(count, rare):
    """Return lines of steps of two names, and some of another at these places."""
    lines = plain_lines(count, name="poll")
    for n in rare:
        lines[n] = lines[n].replace(b'"poll"', b'"fetch_quote"')
    return lines


@pytest.mark.parametrize("output", [[], ["--json"]])
def test_steps_of_other_names_are_not_decoded(tmp_path, loaded_lines, capsys, output):
    """``view --name`` decodes the steps of that name, and no others."""
    write(tmp_path, *named_lines(900, (400, 800)))

    assert 0 == main(["--dir", str(tmp_path), "view", "--name", "QUOTE", *output])
    out = capsys.readouterr().out
    assert 2 == out.count("fetch_quote")
    assert "poll" not in out
    assert len(loaded_lines) <= 6


@pytest.mark.parametrize("output", [[], ["--json"]])
def test_no_step_is_searched_twice(tmp_path, loaded_lines, capsys, output):
    """``view --grep`` decodes each step once, and those that it shows once more."""
    write(tmp_path, *named_lines(900, (899,)))

    assert 0 == main(["--dir", str(tmp_path), "view", "--grep", "QUOTE", *output])
    assert 1 == capsys.readouterr().out.count("fetch_quote")
    assert 900 <= len(loaded_lines) <= 902


def test_a_list_decodes_the_steps_that_may_hold_a_text(tmp_path, monkeypatch):
    """``list --grep`` tells all other steps from the bytes of their lines."""
    write(tmp_path, *named_lines(900, (899,)))
    looked = []
    fields_of = StepRecord.fields.fget
    monkeypatch.setattr(
        StepRecord, "fields", property(lambda one: looked.append(1) or fields_of(one))
    )

    assert 0 == main(["--dir", str(tmp_path), "list", "--grep", "QUOTE"])
    assert 0 < len(looked) < 20
    assert 1 == main(["--dir", str(tmp_path), "list", "--grep", "zzz"])
    assert 0 < len(looked) < 20


def test_a_mistyped_name_decodes_nothing(tmp_path, loaded_lines, capsys):
    """What a name may have meant is told without a look at any step."""
    write(tmp_path, *named_lines(900, (400,)))

    assert 1 == main(["--dir", str(tmp_path), "view", "--name", "fetch_qoute"])
    assert "Did you mean 'fetch_quote'?" in capsys.readouterr().err
    assert [] == loaded_lines


def test_names_beyond_those_that_are_kept(tmp_path, capsys):
    """Of more names than are kept, each is found and suggested all the same."""
    path = write(tmp_path, *plain_lines(900))

    assert 0 == main(["--dir", str(tmp_path), "view", "--name", "step 89?"])
    assert 10 == len(set(re.findall(r"step 89\d", capsys.readouterr().out)))
    assert {f"step {n}" for n in range(900)} == reading.read(path).names
    assert 1 == main(["--dir", str(tmp_path), "view", "--name", "setp 899"])
    assert "Did you mean 'step 899'?" in capsys.readouterr().err


def glances(path, since=None):
    """Return what each step of a session says at a glance, and each problem."""
    return itertools.chain.from_iterable(reading.batches(path, since))


def test_what_was_before_is_not_decoded(tmp_path, monkeypatch):
    """``stats --since`` looks at no block of lines that are all of steps before it."""
    path = write(tmp_path, *plain_lines(3_000))
    looked = []
    look = glancer()

    def counting(data, lines):
        looked.append(len(lines))
        return look(data, lines)

    monkeypatch.setattr(reading, "worth_a_look", lambda size: counting)
    every = [seen.seq for seen in glances(path)]
    assert list(range(3_000)) == every
    total, block = sum(looked), max(looked)
    looked.clear()
    moment = fields(2_500)["started_at"]
    since = [seen.seq for seen in glances(path, moment)]

    assert list(range(2_500, 3_000)) == [seq for seq in since if seq >= 2_500]
    # The block with the header, and those from the moment on.
    assert sum(looked) <= 500 + 2 * block < total
    # What began at the moment itself is among them.
    moment = fields(2_999)["started_at"]
    assert 2_999 in [seen.seq for seen in glances(path, moment)]


@pytest.mark.parametrize(
    "odd",
    [
        b"damaged\n",
        b'{"context":{"started_at":1.0}}\n',
        encoded(fields(10, context={"started_at": 1.0}, started_at=9e9)),
        encoded(fields(10, name='"started_at":1.0', started_at=9e9)),
        encoded(fields(10, started_at=9e9)),
    ],
)
def test_what_began_when_is_told_by_the_line(tmp_path, odd):
    """What is damaged or says of itself when it began is looked at with its block."""
    lines = plain_lines(1_000)
    lines[500] = odd
    path = write(tmp_path, *lines)
    since = list(glances(path, 8e9))

    assert [item for item in since if isinstance(item, Problem)] == [
        item for item in glances(path) if isinstance(item, Problem)
    ]
    found = [step.seq for step in since if not isinstance(step, Problem)]
    assert isinstance(decoded_or_problem(odd), Problem) or 10 in found


def decoded_or_problem(data):
    """Return what a line is decoded to."""
    try:
        return StepRecord.from_line(data)
    except TraceLineError as exc:
        return Problem("", str(exc))


def test_empty_lines_are_passed_over_together(tmp_path):
    """The many empty lines that a small file may hold are skipped together."""
    empty = 2_000_000
    path = write(tmp_path, first_line(0), b"\n" * empty, b"damaged\n", line(1))
    events = itertools.count()

    sys.setprofile(lambda *_: next(events))
    try:
        session = reading.read(path)
    finally:
        sys.setprofile(None)

    assert [0, 1] == [step.seq for step in session.steps]
    (problem,) = session.problems
    assert problem.where.startswith(f"line {empty + 2}, offset ")
    calls = next(events)
    assert calls < 2 * empty
