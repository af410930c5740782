"""
A large session is shown from its first step on, before all of it is read.

What is shown first has to be what a reader of all would have shown: nothing may follow
beside a step that was said to be the last, or come before it. These tests hold that for
files of any form, in a small: the first ten steps of a few dozen stand for the first
thousand of a million.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
from collections import Counter

import pytest
from cli_runs import environment, run, run_between
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_lines import HEADER, encoded, fields, step_id, write

from ai_trace import Tracer, _file_walk, _unfolding, _walk, reading, traced
from ai_trace._glance import glancer
from ai_trace.render import text


BLOCK = 700


def shrink(patch, block=BLOCK):
    """Let ten steps be the first ones, and a file of any size be a large one."""
    patch.setattr(_unfolding, "_FIRST_DIGITS", 1)
    patch.setattr(_unfolding, "_BLOCK", block)
    patch.setattr(_unfolding, "_MOST_LOOKED", 100)
    patch.setattr(reading, "_UNFOLDED", 0)
    patch.setattr(_walk, "WORTH_A_LOOK", 0)


@pytest.fixture
def small(monkeypatch):
    """Let a small session be read as a large one."""
    shrink(monkeypatch)


def plain(number, parent=None, **more):
    """Return the line of a step as a tracer writes it."""
    return compact({**fields(number, parent), **more})


def compact(line):
    """Return an object as a line without spaces."""
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def with_header(line, **more):
    """Return a line with the header of its session."""
    return compact({**json.loads(line), "session": {**HEADER, **more}})


def placed(steps):
    """Return what each step is, and where it stands."""
    # Whether another root follows is not shown.
    return [
        (place.depth, place.last or not place.depth, session.record(place.number).line)
        for session, place in steps
    ]


def unfolded(path):
    """Return the first steps of a session, then the others, in order."""
    session = reading.unfold(path)
    assert session is not None
    return placed(session.first()), placed(session.rest())


def all_of(path):
    """Return the steps of a session by a reader of all."""
    session = reading.read(path)
    return placed((session, place) for place in session.outline())


# --- what is first ------------------------------------------------------------------


def rounds(count):
    """Return the lines of rounds: a step with four in it, which end before it."""
    lines = []
    for root in range(1, count, 5):
        lines += [plain(child, root) for child in range(root + 1, root + 5)]
        lines.append(plain(root))
    lines[0] = with_header(lines[0])
    return lines


def chain(count):
    """Return the lines of steps in steps, the innermost first."""
    lines = [plain(number, number - 1) for number in range(count - 1, 1, -1)]
    return [with_header(lines[0]), *lines[1:], plain(1)]


def fan(count):
    """Return the lines of one step with many in it."""
    lines = [plain(number, 1) for number in range(2, count)]
    return [with_header(lines[0]), *lines[1:], plain(1)]


@pytest.mark.parametrize("lines", [rounds(60), chain(60), fan(60)])
def test_the_first_steps_come_first(tmp_path, small, lines):
    """Of a session as tracers write it, the first steps are known by a quick look."""
    path = write(tmp_path, *lines)

    first, rest = unfolded(path)
    assert 9 == len(first)
    assert all_of(path) == first + rest


def test_a_last_line_without_its_newline_is_seen(tmp_path, small):
    """A step whose line lacks its newline is among those that follow."""
    path = write(tmp_path, *rounds(40), plain(50, 1).rstrip(b"\n"))

    first, rest = unfolded(path)
    assert 5 == len(first)
    assert all_of(path) == first + rest


@pytest.mark.parametrize("start", [1, 3])
def test_a_step_to_which_later_ones_belong_is_not_left(tmp_path, small, start):
    """Behind what is known below a step, its later ones may follow: nothing else."""
    late = {1: [plain(50, 1)], 3: [plain(50, 3), plain(51, 50)]}[start]
    path = write(tmp_path, *rounds(40), *late)

    first, rest = unfolded(path)
    assert {1: 5, 3: 3}[start] == len(first)
    assert all_of(path) == first + rest
    assert first[-1][1] is False or start == 3


def test_what_only_looks_like_a_later_one_is_none(tmp_path, small):
    """A damaged line that names a first step as its parent does not follow on it."""
    damaged = plain(50, 3).replace(b'"logs":[]}', b'"logs":[}')
    path = write(tmp_path, *rounds(40), damaged)

    first, rest = unfolded(path)
    assert 9 == len(first)
    assert all_of(path) == first + rest


def test_a_whole_step_in_a_damaged_line_is_seen(tmp_path, small):
    """A later step behind a fragment is known to belong to a first one."""
    torn = plain(50)[:-20] + plain(71, 3)
    path = write(tmp_path, *rounds(40), torn, *rounds(60)[40:])

    first, rest = unfolded(path)
    assert 3 == len(first)
    assert all_of(path) == first + rest


@pytest.mark.parametrize(
    "odd",
    [
        plain(50, id=step_id(3)),
        plain(50, id=step_id(99)),
        plain(5, 3, id=step_id(50)),
    ],
    ids=["an id twice", "a parent that starts later", "a number twice"],
)
def test_what_a_quick_look_does_not_tell_is_read(tmp_path, small, odd):
    """Where the order of the first steps is not certain, none is shown before all."""
    lines = rounds(40)
    lines[3] = plain(5, 99)
    path = write(tmp_path, *lines, odd)

    first, rest = unfolded(path)
    assert [] == first
    assert all_of(path) == rest


def test_a_lost_parent_stands_where_it_does(tmp_path, small):
    """A placeholder is among the first steps, and later ones belong to it too."""
    lines = [line for line in rounds(40) if b'"id":"0000000000000006"' not in line]
    path = write(tmp_path, *lines, plain(50, 6))

    first, rest = unfolded(path)
    assert 9 == len(first)
    assert [b"(missing)" in line for _, _, line in first].count(True) == 1
    assert all_of(path) == first + rest


@traced(kind="tool")
def quoted(symbol):
    """Look up a price."""
    if symbol == "OUT":
        raise LookupError(symbol)
    return {"price": 101.5, "of": symbol}


def test_what_a_tracer_writes_is_plain(tmp_path, monkeypatch):
    """Of a session that was recorded, no later step has to be looked at."""
    with Tracer("bot", tmp_path) as tracer, tracer.step("trade"):
        for number in range(40):
            with tracer.step("schritt „ü“", n=number, text='"a\\b"\n') as step:
                step.log(signal=0.87, seen=[{"kind": "a"}])
                with contextlib.suppress(LookupError):
                    quoted("OUT" if number % 3 else "BTCUSDT")
    (path,) = tmp_path.glob("*.jsonl")
    shrink(monkeypatch)
    monkeypatch.setattr(_unfolding, "_MOST_LOOKED", 0.4)

    first, rest = unfolded(path)
    assert 9 == len(first)
    assert all_of(path) == first + rest


def test_parts_of_one_process_are_one_session(tmp_path, small):
    """The first steps of a session in parts are known by a look at all parts."""
    lines = rounds(60)
    stem = "bot_20240301_143022"
    path = write(tmp_path, *lines[:20], stem=stem)
    write(tmp_path, with_header(lines[20]), *lines[21:], stem=f"{stem}.part2")

    first, rest = unfolded(path)
    assert 9 == len(first)
    assert all_of(path) == first + rest


def test_parts_of_two_processes_have_no_order_beforehand(tmp_path, small):
    """Where another process wrote a part, the times of all steps decide."""
    lines = rounds(60)
    stem = "bot_20240301_143022"
    path = write(tmp_path, *lines[:20], stem=stem)
    write(tmp_path, with_header(lines[20], pid=8), *lines[21:], stem=f"{stem}.part2")

    first, rest = unfolded(path)
    assert [] == first
    assert all_of(path) == rest


@pytest.mark.parametrize("reason", ["forked", "open", "packed", "undated", "small"])
def test_other_sessions_are_read_at_once(tmp_path, small, monkeypatch, reason):
    """A session of which less is known beforehand is not unfolded."""
    path = write(tmp_path, *rounds(40))
    assert reading.unfold(path) is not None
    if reason == "forked":
        write(tmp_path, *rounds(10), stem=f"{path.stem}.p12")
    elif reason == "open":
        path.with_suffix(".open").write_bytes(encoded({"session": HEADER}))
    elif reason == "packed":
        packed = path.with_name(path.name + ".gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        path = packed
    elif reason == "undated":
        write(tmp_path, *[line.replace(b'"version"', b'"v"') for line in rounds(40)])
    else:
        monkeypatch.setattr(reading, "_UNFOLDED", path.stat().st_size + 1)

    assert reading.unfold(path) is None


# --- what is shown -----------------------------------------------------------------


@pytest.mark.parametrize("words", [[], ["--full"], ["--depth", "1"], ["--depth", "2"]])
@pytest.mark.parametrize("lines", [rounds(60), chain(60), fan(60)])
def test_a_large_session_is_shown_as_a_small_one(tmp_path, monkeypatch, lines, words):
    """Of a large session the steps are counted behind the tree, which is the same."""
    lines = [*lines, b"damaged\n", plain(90, kind="llm", result={"usage": {"x": 1}})]
    path = write(tmp_path, *lines)
    at_once = run("view", str(path), *words, cwd=tmp_path)
    shrink(monkeypatch)
    unfolded = run("view", str(path), *words, cwd=tmp_path)

    assert (0, 0) == (at_once.returncode, unfolded.returncode)
    assert at_once.stderr == unfolded.stderr != ""
    above, tree = at_once.stdout.split("\n\n", 1)
    beginning, same, ending = unfolded.stdout.split("\n\n")
    assert tree == same + "\n"
    agent, when, *facts, meta = above.splitlines()
    start, took = when.split("  ")
    note = "the steps are counted at the end"
    assert [agent, f"{start}  {note}", meta] == beginning.splitlines()
    assert [took, *facts] == ending.splitlines()


class Screen(io.StringIO):
    """Standard output that tells what has happened by the time of each line."""

    def __init__(self, happened):
        super().__init__()
        self.seen = []
        self._happened = happened

    def write(self, text):
        self.seen += [dict(self._happened)] * text.count("\n")
        return super().write(text)


@pytest.mark.parametrize("lines", [rounds(3_000), chain(3_000), fan(3_000)])
def test_the_first_page_takes_one_look(tmp_path, monkeypatch, lines):
    """Before its first step is shown, a file is read once, and hardly decoded."""
    path = write(tmp_path, *lines)
    size = path.stat().st_size
    monkeypatch.setattr(_unfolding, "_FIRST_DIGITS", 2)
    monkeypatch.setattr(_unfolding, "_BLOCK", 8 * 1024)
    monkeypatch.setattr(reading, "_UNFOLDED", size)
    happened = Counter()
    look, whole_lines = glancer(), _file_walk._whole_lines

    def looking(data, lines):
        happened["looks"] += len(lines)
        return look(data, lines)

    def reading_lines(file, size):
        data = whole_lines(file, size)
        happened["bytes"] += len(data)
        return data

    monkeypatch.setattr(_walk, "worth_a_look", lambda _: looking)
    monkeypatch.setattr(_file_walk, "_whole_lines", reading_lines)
    screen = Screen(happened)
    run_between([screen, io.StringIO()], ["view", str(path)], tmp_path, environment())

    heading, page = screen.seen[0], screen.seen[80]
    assert {} == heading
    assert size <= page["bytes"] < size * 1.2
    assert page["looks"] < 500
    assert happened["looks"] >= 3_000 - 5


def test_a_file_that_changes_meanwhile_is_shown_once_more(tmp_path, small):
    """Steps that do not stand where they were said to are never left uncorrected."""
    lines = rounds(60)
    path = write(tmp_path, *lines)

    class Changing(io.StringIO):
        """Standard output on which the file is changed once the first page is out."""

        def flush(self):
            if "step 9" in self.getvalue():
                write(tmp_path, *lines[:2], plain(4, 3), *lines[3:])

    out, err = Changing(), io.StringIO()
    assert 0 == run_between([out, err], ["view", str(path)], tmp_path, environment())

    assert "contradicts itself, or was changed meanwhile" in err.getvalue()
    style = text.Style(unicode=False)
    tree = "\n".join(text.tree(reading.read(path), style))
    assert out.getvalue().endswith("\n\n" + tree + "\n")


# --- any file ------------------------------------------------------------------------


def spaced(line):
    """Return a line as another program may have written it."""
    return encoded(json.loads(line))


def turned(line):
    """Return a line whose keys have another order."""
    return compact(dict(reversed(json.loads(line).items())))


def quoting(line):
    """Return a line that holds another step's in what it saw."""
    return compact({**json.loads(line), "context": {"seen": fields(3, 1)}})


def listing(line):
    """Return a line with objects that begin like a step's line."""
    tools = [{"name": "f", "kind": "g"}, {"name": "h"}, {"format": 1}]
    return compact({**json.loads(line), "context": {"tools": tools}})


def escaped(line):
    r"""Return a line whose name ends in signs that have to be escaped."""
    return compact({**json.loads(line), "name": 'a "name", \\'})


def named(line):
    """Return a line of a traced function."""
    data = json.loads(line)
    return compact({"name": "f", "kind": "tool", "function": "a.b", **data})


def torn(line):
    """Return a line that is cut off, with its newline."""
    return line[: len(line) * 2 // 3] + b"\n"


def fragment(line):
    """Return the beginning of a line, without an end."""
    return line[: len(line) * 2 // 3]


def broken(line):
    """Return a line that is no JSON behind its beginning."""
    return line.replace(b'"logs":[]', b'"logs":[')


def lacking(line):
    """Return a line that is no step."""
    return line.replace(b'"outcome"', b'"came of it"')


FORMS = [
    *[lambda line: line] * 8,
    spaced,
    turned,
    quoting,
    listing,
    escaped,
    named,
    torn,
    fragment,
    broken,
    lacking,
    with_header,
    lambda line: with_header(line, pid=8),
    lambda line: b"\xef\xbb\xbf" + line,
    lambda line: line.replace(b"\n", b"\r\n"),
    lambda line: line + b"\n",
    lambda line: line.replace(b'"parent_id":"', b'"parent_id":"\\u0030'),
    lambda line: line.replace(b'"kind"', b'"Kind"'),
]

numbers = st.integers(1, 45)
ids = st.one_of(st.none(), numbers)
one_step = st.builds(
    lambda number, parent, form, seq, twin: form(
        plain(number, parent)
        if seq is None and twin is None
        else plain(
            number,
            parent,
            **({} if seq is None else {"seq": seq}),
            **({} if twin is None else {"id": step_id(twin)}),
        )
    ),
    numbers,
    ids,
    st.sampled_from(FORMS),
    st.one_of(*[st.none()] * 8, st.integers(-2, 60)),
    st.one_of(*[st.none()] * 8, numbers),
)


@st.composite
def sessions(draw):
    """Make sessions that are mostly sound, out of order, and damaged here and there."""
    count = draw(st.integers(5, 45))
    parents = {
        number: draw(st.one_of(st.none(), st.integers(max(1, number - 8), number)))
        for number in range(1, count)
    }
    lines = [
        plain(number, None if parent == number else parent)
        for number, parent in parents.items()
    ]
    if draw(st.booleans()):
        lines.reverse()
    for at in draw(st.sets(st.integers(0, len(lines) - 1), max_size=4)):
        lines[at] = draw(st.sampled_from(FORMS))(lines[at])
    for odd in draw(st.lists(one_step, max_size=3)):
        lines.insert(draw(st.integers(0, len(lines))), odd)
    if draw(st.booleans()):
        lines = draw(st.permutations(lines))
    return [with_header(plain(40, 1)), *lines]


@given(lines=sessions(), block=st.integers(1, 3000))
@settings(max_examples=300, deadline=None)
def test_any_session_is_unfolded_as_it_is_read(tmp_path_factory, lines, block):
    """The first steps and the rest are what a reader of all shows, in its order."""
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch, block)
        path = write(tmp_path_factory.mktemp("any"), *lines)
        first, rest = unfolded(path)

        assert all_of(path) == first + rest
