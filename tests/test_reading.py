from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
import tracemalloc
from queue import Queue

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trace_lines import (
    HEADER,
    START,
    STEM,
    encoded,
    fields,
    first_line,
    header,
    line,
    step_id,
    write,
)

from ai_trace import _follow, reading
from ai_trace._lines import LINE_LIMIT, read_lines
from ai_trace._lines_back import read_lines_back
from ai_trace._record import StepRecord, encode_line
from ai_trace._tree import Problem
from ai_trace.exceptions import TraceReadError


def numbers(records):
    """Return the ``seq`` of each record."""
    return [record.seq for record in records]


def read_all(path):
    """Return the records and the problems of a file, each with its place."""
    items = list(reading.records(path))
    steps = [item for item in items if isinstance(item, StepRecord)]
    return steps, [item for item in items if isinstance(item, Problem)]


# --- a session ---------------------------------------------------------------------


def test_read_returns_header_tree_and_steps(tmp_path):
    """A session is its header and the tree of its steps, loaded from the file."""
    path = write(tmp_path, first_line(1, 0), line(2, 0), line(0))

    session = reading.read(path)

    assert HEADER == session.header.to_dict()
    assert path == session.path
    assert [0, 1, 2] == numbers(session.steps)
    assert [(0, 0), (1, 1), (1, 2)] == [(d, s.seq) for d, s in session.walk()]
    assert [] == list(session.problems)
    assert session.header == session.steps[0].header
    assert line(0).rstrip() == session.steps[0].line.rstrip()


def test_records_come_in_the_order_of_the_file(tmp_path):
    """``records`` yields the steps as they finished."""
    path = write(tmp_path, first_line(1, 0), line(2, 0), line(0))

    assert [1, 2, 0] == numbers(reading.records(path))


def test_unknown_keys_are_kept(tmp_path):
    """What this version does not know of a step and a header stays in them."""
    later = {**fields(0), "later": [1], "session": {**HEADER, "later": 2}}
    session = reading.read(write(tmp_path, encoded(later)))

    assert [1] == session.steps[0].to_dict()["later"]
    assert 2 == session.header.to_dict()["later"]


def test_an_old_file_is_read(tmp_path):
    """A file of version 0.2, without ids and header, is still a session."""
    old = {
        "name": "market_scan",
        "context": {"symbol": "BTCUSDT"},
        "outcome": "ok",
        "duration_ms": 142.3,
        "logs": [{"_t": 1709300422.1, "signal": 0.87}],
    }
    path = write(tmp_path, encoded(old), encoded(old))

    session = reading.read(path)

    assert ("bot", "20240301_143022") == (
        session.header.agent,
        session.header.session_id,
    )
    assert ["market_scan", "market_scan"] == [step.name for step in session.roots]
    assert (START, 142.3) == (session.started_at, session.average_ms)


@pytest.mark.parametrize(
    ("first", "started"),
    [(START + 0.7, START + 0.7), (START + 30, START), (START - 1, START)],
    ids=["in that second", "later", "earlier"],
)
def test_a_name_tells_the_start_to_the_second(tmp_path, first, started):
    """Where no header tells the start, a step in the second of the name does."""
    step = {**fields(0), "started_at": first, "finished_at": first + 0.25}
    path = write(tmp_path, encoded(step))

    assert started == reading.read(path).started_at


def test_an_empty_file_is_a_session_without_steps(tmp_path):
    """An empty file names its session and has no steps; nothing is wrong with it."""
    session = reading.read(write(tmp_path))

    assert ("bot", "20240301_143022", START) == (
        session.header.agent,
        session.header.session_id,
        session.header.started_at,
    )
    assert 0 == len(session.steps) == len(session.problems)


@pytest.mark.parametrize("given", ["first", "child"])
def test_a_forked_child_is_part_of_the_session(tmp_path, given):
    """The files of forked children are read with the session's, whichever is named."""
    first = write(tmp_path, first_line(1, 0), line(0))
    child_header = {**HEADER, "pid": 99}
    child = write(
        tmp_path,
        encoded({**fields(5, 0), "session": child_header}),
        b"damaged\n",
        stem=f"{STEM}.p99",
    )
    write(tmp_path, line(8), stem=f"{STEM}_2")

    path = first if given == "first" else child
    session = reading.read(path)

    assert first == session.path
    assert [(0, 0), (1, 1), (1, 5)] == [(d, s.seq) for d, s in session.walk()]
    assert [f"{STEM}.p99.jsonl, line 2, offset {child.stat().st_size - 8}"] == [
        problem.where for problem in session.problems
    ]
    assert [1, 0, 5] == numbers(read_all(path)[0])


def test_a_session_survives_the_files_of_many_children(tmp_path):
    """Steps are loaded from more files than are held open at a time."""
    path = write(tmp_path, first_line(0))
    for pid in range(1, 41):
        write(tmp_path, line(pid, 0), stem=f"{STEM}.p{pid}")

    session = reading.read(path)

    assert list(range(41)) == numbers(session.steps)
    assert list(range(41)) == numbers(session.steps)


def test_a_file_that_changed_is_named(tmp_path):
    """A step that is no longer where it was read is an error that names the file."""
    path = write(tmp_path, first_line(0))
    session = reading.read(path)
    path.write_bytes(b"x" * 1_000)

    with pytest.raises(TraceReadError, match="changed while"):
        session.steps[0]


# --- damage ------------------------------------------------------------------------

DAMAGED = {
    "torn line in the middle": b'{"id":"x","text":"to\n',
    "not UTF-8": b'{"name":"\xe2\x82","outcome":"ok"}\n',
    "zero bytes in the middle": b"\0" * 4096 + b"\n",
    "not JSON": b"hello\n",
    "not an object": b"[1, 2]\n",
    "NaN": b'{"name":"a","outcome":"ok","x":NaN}\n',
    "a key twice": b'{"name":"a","name":"b","outcome":"ok"}\n',
    "deep": b"[" * 100_000 + b"\n",
    "deep object": b'{"name":"a","outcome":"ok","context":{"x":'
    + b"[" * 100_000
    + b"]" * 100_000
    + b"}}\n",
    "huge integer": b'{"name":"a","outcome":"ok","seq":' + b"1" * 5_000 + b"}\n",
    "seconds beyond all time": encoded(fields(9)).replace(
        b'"duration_ms": 500.0', b'"duration_ms": 1e999'
    ),
    "started beyond all time": encoded(fields(9, started_at=10**400 - 1)),
    "duration as text": encoded(fields(9, duration_ms="1e9")),
    "id as list": encoded(fields(9, id=[])),
    "parent as object": encoded(fields(9, parent_id={})),
    "logs of numbers": encoded(fields(9, logs=[1])),
    "no name": b'{"outcome":"ok"}\n',
    "only a header": encoded({"session": HEADER}),
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_line_costs_that_line(tmp_path, damage):
    """A damaged line is named by number and offset, and the others are read."""
    before = first_line(0)
    path = write(tmp_path, before, damage, line(1))

    steps, problems = read_all(path)

    assert [0, 1] == numbers(steps)
    assert [f"line 2, offset {len(before)}"] == [problem.where for problem in problems]
    assert problems[0].what.endswith(".")
    assert len(problems[0].what) < 300
    assert problems == list(reading.read(path).problems)


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_first_line_costs_the_header_alone(tmp_path, damage):
    """Without its first line a session is known by the name of its file."""
    path = write(tmp_path, damage, line(1))

    session = reading.read(path)

    assert "20240301_143022" == session.header.session_id
    assert [1] == numbers(session.steps)
    assert 1 == len(session.problems)


@pytest.mark.parametrize(
    ("torn", "said"),
    [
        (b'{"name":"x","text":"to', "torn"),
        (b'{"name":"\xe2\x82', "torn"),
        (b"\0" * 4096, "4096 zero bytes"),
    ],
    ids=["text", "character", "zeros"],
)
def test_a_torn_end_costs_that_step(tmp_path, torn, said):
    """What a crash left of the last line is named as that, and the rest is read."""
    path = write(tmp_path, first_line(0), line(1), torn)

    steps, problems = read_all(path)

    assert [0, 1] == numbers(steps)
    assert 1 == len(problems)
    assert said in problems[0].what
    assert [0, 1] == numbers(reading.tail(path, 9))


def test_a_whole_line_without_newline_is_read(tmp_path):
    """A complete last line counts, newline or not, with a note."""
    path = write(tmp_path, first_line(0), line(1).rstrip(b"\n"))

    steps, problems = read_all(path)

    assert [0, 1] == numbers(steps)
    assert ["The last line lacks its newline; it is read all the same."] == [
        problem.what for problem in problems
    ]
    assert [1] == numbers(reading.tail(path, 1))


def test_marks_and_ends_of_other_systems_are_read(tmp_path):
    """A byte order mark, CRLF and empty lines are not damage."""
    lines = [b"\xef\xbb\xbf", first_line(0), b"\n", line(1), b" \r\n", line(2)]
    path = write(tmp_path, b"".join(lines).replace(b"\n", b"\r\n"))

    steps, problems = read_all(path)

    assert [0, 1, 2] == numbers(steps)
    assert [] == problems
    assert HEADER == reading.read(path).header.to_dict()


def test_only_newlines_end_a_line(tmp_path):
    """The line separators of Unicode inside a line do not end it."""
    name = "a\u2028b\x85c"
    raw = json.dumps(fields(0, name=name), ensure_ascii=False).encode() + b"\n"

    assert [name] == [step.name for step in reading.records(write(tmp_path, raw))]


def test_a_newer_format_is_named_and_read(tmp_path):
    """A file of a newer version is read as far as it is understood, with a word."""
    newer = {**fields(0), "session": {**HEADER, "format": 99}}
    steps, problems = read_all(write(tmp_path, encoded(newer)))

    assert [0] == numbers(steps)
    assert ["line 1, offset 0"] == [problem.where for problem in problems]
    assert "newer ai_trace (format 99" in problems[0].what


@pytest.mark.parametrize("behind", [1, 9])
def test_a_second_session_in_a_file_is_named(tmp_path, behind):
    """Two sessions in one file are one tree, and that is said."""
    other = json.dumps({**fields(behind), "session": {**HEADER, "session_id": "x"}})
    other = other.replace('"session": {"format": ', '"session":{"format":')
    before = [line(number) for number in range(1, behind)]
    path = write(tmp_path, first_line(0), *before, other.encode() + b"\n")
    steps, problems = read_all(path)

    assert list(range(behind + 1)) == numbers(steps)
    assert ["Another session begins in this file"] == [
        problem.what.split(";")[0] for problem in problems
    ]


@pytest.mark.parametrize("pid", [HEADER["pid"], 8])
@pytest.mark.parametrize("count", [3, 300])
def test_sessions_in_one_file_follow_each_other(tmp_path, pid, count):
    """Each session of a file counts its own steps, and each step is of its session."""
    runs = [HEADER, {**HEADER, "pid": pid, "started_at": START + 1_000}]
    lines, expected = [], []
    for run, head in enumerate(runs):
        for seq in reversed(range(count)):
            begun = {"seq": seq, "started_at": head["started_at"] + seq}
            stated = {"session": head} if seq == count - 1 else {}
            lines.append(encode_line({**fields(run * count + seq, **begun), **stated}))
        expected += [(seq, header(**head)) for seq in range(count)]
    session = reading.read(write(tmp_path, *lines))
    recorded = [(step.seq, step.header) for step in read_all(session.path)[0]]

    assert header() == session.header
    assert expected == [(step.seq, step.header) for step in session.steps]
    assert expected == sorted(recorded, key=lambda one: (one[1].started_at, one[0]))
    assert 1 == len(session.problems)


def test_a_header_of_wrong_types_does_no_harm(tmp_path):
    """An invalid header gives empty values, and an invalid start gives 0."""
    wrong = {"agent": [], "session_id": 7, "meta": "x", "started_at": 10**30}
    session = reading.read(write(tmp_path, encoded({**fields(0), "session": wrong})))

    assert ("", "", {}, 0.0) == (
        session.header.agent,
        session.header.session_id,
        session.header.meta,
        session.header.started_at,
    )
    assert START == session.started_at


def test_a_line_beyond_the_limit_is_passed_over(tmp_path):
    """Nothing is kept of a line that is too long, and the next one is read."""
    long = b'"' + b"x" * (LINE_LIMIT + 100_000) + b'"\n'
    path = write(tmp_path, first_line(0), long, line(1))

    tracemalloc.start()
    steps, problems = read_all(path)
    backwards = reading.tail(path, 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert [0, 1] == numbers(steps) == numbers(backwards)
    assert str(len(long)) in problems[0].what
    assert peak < 5 * LINE_LIMIT


@pytest.mark.skipif(not hasattr(os, "SEEK_DATA"), reason="holes cannot be found")
@pytest.mark.parametrize("behind", [b"x\n", b"x", b""])
def test_a_hole_is_not_read_through(tmp_path, behind):
    """A hole of a terabyte is a line that is too long; it would take hours to read."""
    hole = 2**40
    path = write(tmp_path, first_line(0))
    with path.open("r+b") as file:
        begin = file.seek(0, os.SEEK_END)
        file.truncate(begin + hole)
        file.seek(begin + hole)
        file.write(behind + line(1) if behind.endswith(b"\n") else behind)
    expected = [0, 1] if behind.endswith(b"\n") else [0]

    steps, (problem,) = read_all(path)
    found: list[Problem] = []
    backwards = reading.tail(path, 9, on_problem=found.append)

    assert expected == numbers(steps) == numbers(backwards)
    assert f"The line has {hole + len(behind)} bytes" in problem.what
    assert [(f"offset {begin}", problem.what)] == [each[:2] for each in found]


@pytest.mark.skipif(not hasattr(os, "SEEK_DATA"), reason="holes cannot be found")
def test_a_hole_of_two_parts_is_not_read_through_backwards(tmp_path):
    """What stands between two holes is of the same line, wherever blocks end."""
    path = write(tmp_path, first_line(0))
    with path.open("r+b") as file:
        begin = file.seek(0, os.SEEK_END)
        for size in (2**35 + 4_711, 2**34 + 1):
            file.seek(size, os.SEEK_CUR)
            file.write(b"x" * 99_999)
        file.write(b"\n" + line(1))
        size = file.tell() - begin - len(line(1))
    found: list[Problem] = []

    assert [0, 1] == numbers(reading.tail(path, 9, on_problem=found.append))
    (problem,) = found
    assert problem.where == f"offset {begin}"
    assert f"The line has {size} bytes" in problem.what


@pytest.mark.parametrize("ended", [b"\n", b""])
def test_a_first_line_beyond_the_limit_is_passed_over(tmp_path, ended):
    """So it is where a file begins with such a line, or is nothing else."""
    long = b"x" * (LINE_LIMIT + 100_000) + ended
    path = write(tmp_path, long, line(1) if ended else b"")
    expected = [1] if ended else []

    session = reading.read(path)

    assert expected == numbers(session.steps) == numbers(reading.tail(path, 2))
    assert [f"line 1, offset 0: The line has {len(long)} bytes"] == [
        f"{each.where}: {each.what.partition(';')[0]}" for each in session.problems
    ]
    assert len(expected) + 1 == len(list(reading.records(path)))


@pytest.mark.parametrize("size", [1, 100_000, 5_000_000])
def test_a_header_is_found_behind_a_step_of_any_size(tmp_path, size):
    """Every reader knows the session, however much its first step recorded."""
    path = write(tmp_path, first_line(0, context={"saw": "x" * size}), line(1))
    (info,) = reading.find(tmp_path)
    followed = reading.follow(path, last=1, stop=lambda: True)
    found = [
        info.header,
        reading.read(path).header,
        *(step.header for step in reading.records(path)),
        *(step.header for step in reading.tail(path, 1)),
        *(step.header for step in followed),
    ]

    assert [header()] * 6 == found


ENDLESS = """
import resource, sys
from ai_trace import reading
limit = 400 * 1024 * 1024
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
print(len(list(reading.records(sys.argv[1]))), len(reading.tail(sys.argv[1], 1)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory")
def test_an_endless_line_needs_no_memory(tmp_path):
    """A line of a gigabyte is passed over in 400 MB of address space."""
    path = write(tmp_path, first_line(0))
    with path.open("r+b") as file:
        file.truncate(1024**3)

    command = [sys.executable, "-c", ENDLESS, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "2 1" == run.stdout.strip()


@given(data=st.binary(max_size=400))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_have_an_answer(tmp_path, data):
    """Reading any file ends, and forwards and backwards agree."""
    path = write(tmp_path, data)

    session = reading.read(path)
    steps = [item for item in reading.records(path) if isinstance(item, StepRecord)]

    assert len(steps) == sum(session.outcomes.values())
    assert steps == reading.tail(path, 1_000)
    assert len(session.steps) == len(list(session.walk()))


@given(
    cuts=st.lists(st.integers(0, 2_000), max_size=4),
    flips=st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), max_size=8),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_has_an_answer(tmp_path, cuts, flips):
    """A sound file with bytes changed and pieces cut out is read, without a loop."""
    data = bytearray(first_line(1, 0) + line(2, 1) + line(3, 1) + line(0))
    for at, value in flips:
        data[at % len(data)] = value
    for at in cuts:
        del data[at % len(data) : at % len(data) + 40]
    path = write(tmp_path, bytes(data))

    session = reading.read(path)

    assert len(session.steps) == len(list(session.walk()))


# --- lines -------------------------------------------------------------------------


def written(lines):
    """Return the lines that are not blank, or have no end."""
    return [each for each in lines if each.data.strip() or not each.ended]


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=9).map(lambda b: b * 9_000),
            st.text("\n ", max_size=9).map(lambda t: t.encode() * 9_000),
            st.text("\n x", max_size=9).map(str.encode),
        ),
        max_size=12,
    )
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_are_the_same_from_both_ends(tmp_path, pieces):
    """Reading from the end gives the lines of the beginning, but for blank ones."""
    path = write(tmp_path, b"\n".join(pieces))

    with path.open("rb") as file:
        forwards = list(read_lines(file))
        backwards = list(read_lines_back(file, path.stat().st_size))

    assert written(forwards) == written(backwards[::-1])
    assert set(backwards) <= set(forwards)
    assert b"\n".join(pieces) == b"".join(each.data for each in forwards)


# --- the end of a session ----------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "expected"), [(0, []), (-1, []), (2, [2, 3]), (9, [1, 2, 3])]
)
def test_tail_returns_the_last(tmp_path, n, expected):
    """The last n steps come in the order of finishing."""
    path = write(tmp_path, first_line(1), line(2), line(3))

    steps = reading.tail(path, n)

    assert expected == numbers(steps)
    assert all(step.header.agent == "bot" for step in steps)


def test_tail_passes_over_damage(tmp_path):
    """Damaged lines do not count as steps."""
    path = write(tmp_path, first_line(1), line(2), b"damaged\n", line(3), b"torn")

    assert [2, 3] == numbers(reading.tail(path, 2))


def test_tail_says_in_which_file_damage_is(tmp_path):
    """In a session of several files, a problem names its file."""
    path = write(tmp_path, first_line(1), b"damaged\n")
    told, followed = [], []
    reading.tail(path, 3, on_problem=told.append)
    child = write(tmp_path, line(2), b"damaged\n", stem=f"{STEM}.p9")
    reading.tail(path, 3, on_problem=told.append)
    list(reading.follow(path, last=3, stop=lambda: True, on_problem=followed.append))

    offset, other = len(first_line(1)), len(line(2))
    named = [f"{path.name}, offset {offset}", f"{child.name}, offset {other}"]
    assert [f"offset {offset}", *named] == [problem.where for problem in told]
    assert named == [problem.where for problem in followed]


def test_tail_merges_the_files_of_children(tmp_path):
    """The last steps are the last of all the session's processes."""
    path = write(tmp_path, first_line(1), line(4))
    write(tmp_path, line(2), line(3), line(5), stem=f"{STEM}.p9")

    assert [3, 4, 5] == numbers(reading.tail(path, 3))


def test_blank_lines_are_passed_over_together(tmp_path):
    """Of millions of empty lines, few are looked at."""
    blanks = b"\n" * 2_000_000 + b" \n" * 1_000_000
    path = write(tmp_path, first_line(1), blanks, b"x\n", blanks)

    with path.open("rb") as file:
        lines = list(read_lines_back(file, path.stat().st_size))

    assert [b"x\n", first_line(1)] == [each.data for each in written(lines)]
    assert len(lines) < 200
    assert [1] == numbers(reading.tail(path, 1))


def test_tail_gives_up_among_nothing_but_damage(tmp_path):
    """Behind too many damaged lines no step is looked for, and it is said where."""
    junk = b"x\n" * 50_000
    path = write(tmp_path, first_line(1), junk, line(2), junk, junk, line(3))
    problems = []

    assert [3] == numbers(reading.tail(path, 2, on_problem=problems.append))

    assert len(problems) == 1_001
    assert ("elsewhere", "99001 more problems are not listed.") == problems[1][:2]
    behind = len(first_line(1) + junk + line(2))
    assert f"offset {behind}" == problems[0].where
    assert "not looked at" in problems[0].what
    junk = junk[:9_000]
    write(tmp_path, first_line(1), junk, line(2), junk, line(3), junk)
    assert [1, 2, 3] == numbers(reading.tail(path, 9))


def test_tail_gives_up_among_steps_in_damage(tmp_path):
    """A few steps among the damage do not make the search go through all of it."""
    lines = [piece for n in range(2, 9) for piece in (b"x\n" * 40_000, line(n))]
    path = write(tmp_path, first_line(1), *lines)
    problems = []

    assert [6, 7, 8] == numbers(reading.tail(path, 9, on_problem=problems.append))

    assert "100000 damaged lines come after this place; what" in problems[0].what
    assert "99001 more problems are not listed." == problems[1].what
    assert 1_001 == len(problems)


def test_damage_beyond_measure_is_told_together(tmp_path):
    """Lines that hold no step are named one by one up to a thousand, then together."""
    junk = b"x\n" * 500_000
    path = write(tmp_path, first_line(1), junk, line(2), junk, line(3))

    steps, problems = read_all(path)

    assert [1, 2, 3] == numbers(steps)
    said = [problem.what for problem in problems]
    together = [what for what in said if what.startswith("None of ")]
    count = len(problems) - len(together)
    assert 2 == len(together)
    told = sum(int(what.split()[2]) for what in together)
    assert 1_000_000 == told + count
    assert count < 100_000


@pytest.mark.parametrize(
    "junk",
    [
        b'"name"\n',
        b"\\u\n",
        b'{"session":{"format":1,"session_id":"x","agent":"y"}}\n',
        b'{"session":{"format":99,"session_id":"x","agent":"y"}}\n',
    ],
    ids=["name", "escape", "other session", "newer session"],
)
def test_damage_that_may_be_a_step_is_bounded_too(tmp_path, junk):
    """Damaged lines that have to be decoded are reported together, too."""
    among = b"".join(line(n) + junk for n in range(2, 2_000))
    path = write(tmp_path, first_line(1), junk * 50_000, among, junk * 50_000)

    steps, problems = read_all(path)

    assert list(range(1, 2_000)) == numbers(steps)
    lines = [p.what for p in problems if p.kind == "damaged"]
    runs = [int(what.split()[2]) for what in lines if what.startswith("None of ")]
    (rest,) = [int(what.split()[0]) for what in lines if "more lines" in what]
    named = len(lines) - len(runs) - 1
    total = named + sum(runs) + rest
    assert 101_998 == total
    bounded = named <= 1_000 == len(runs) and len(problems) <= 2_002
    assert bounded


class CountingFile:
    """A file that counts the bytes read from it."""

    def __init__(self, file):
        self.file = file
        self.bytes = 0

    def read(self, size):
        """Read and count."""
        data = self.file.read(size)
        self.bytes += len(data)
        return data

    def seek(self, offset):
        """Seek."""
        return self.file.seek(offset)


def test_the_cost_of_a_tail_does_not_depend_on_the_file(tmp_path):
    """From a large file only its end is read."""
    path = write(tmp_path, first_line(0), line(1) * 20_000, line(2))

    with path.open("rb") as file:
        counting = CountingFile(file)
        back = read_lines_back(counting, path.stat().st_size)
        assert line(2) == next(back).data
    assert counting.bytes < 100_000


# --- finding -----------------------------------------------------------------------


def test_find_lists_the_newest_first(tmp_path):
    """Sessions come newest first, by the time in their names, with what they are."""
    for stem in ["a_20240301_143022", "b_20250101_000000", "a_20240301_143022_2"]:
        write(tmp_path, first_line(0, started_at=START), stem=stem)

    infos = reading.find(tmp_path)

    assert ["b_20250101_000000", "a_20240301_143022_2", "a_20240301_143022"] == [
        info.stem for info in infos
    ]
    newest = infos[0]
    assert tmp_path / "b_20250101_000000.jsonl" == newest.path
    assert newest.path.stat().st_size == newest.size
    assert newest.path.stat().st_mtime == newest.modified
    assert "bot" == newest.header.agent
    assert newest.problem is None


def test_find_says_which_limits_there_are(tmp_path):
    """A limit below 0 is refused with its name; one of 0 finds nothing."""
    write(tmp_path, first_line(0))

    assert [] == reading.find(tmp_path, limit=0)
    with pytest.raises(ValueError, match=r"find\(limit=-1\): limit is 0 or more"):
        reading.find(tmp_path, limit=-1)


def test_find_orders_one_second_by_the_header(tmp_path):
    """Sessions of the same second are ordered by their exact start."""
    for stem, at in [("z_20240301_143022", 0.1), ("a_20240301_143022", 0.9)]:
        head = {**HEADER, "started_at": START + at}
        write(tmp_path, encoded({**fields(0), "session": head}), stem=stem)

    assert ["a", "z"] == [info.stem[0] for info in reading.find(tmp_path)]


def test_find_merges_the_files_of_children(tmp_path):
    """A session with forked children is one entry, with all its files and bytes."""
    first = write(tmp_path, first_line(0))
    child = write(tmp_path, line(1), stem=f"{STEM}.p12")
    orphan = write(tmp_path, line(1), stem="b_20240101_000000.p5")

    infos = reading.find(tmp_path)

    assert [(first, child), (orphan,)] == [info.parts for info in infos]
    assert [first, orphan] == [info.path for info in infos]
    assert first.stat().st_size + child.stat().st_size == infos[0].size
    assert ["bot", "b"] == [info.header.agent for info in infos]


def test_find_leaves_out_what_is_no_trace(tmp_path):
    """Other files, directories, pipes and dangling links are not sessions."""
    mine = write(tmp_path, first_line(0))
    other_name = write(tmp_path, first_line(0), stem="renamed by hand")
    write(tmp_path, b'{"text": "training data"}\n', stem="dataset")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".jsonl").write_text("x")
    (tmp_path / f"{STEM}_2.jsonl").mkdir()
    (tmp_path / f"{STEM}_4.jsonl").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / f"{STEM}_3.jsonl")

    assert {mine, other_name} == {info.path for info in reading.find(tmp_path)}


def test_find_lists_what_it_cannot_read(tmp_path, monkeypatch):
    """A session whose file cannot be opened is listed by its name, with the reason."""
    path = write(tmp_path, first_line(0))
    real_open = os.open

    def refuse(target, *args, **kwargs):
        if os.fspath(target) == str(path):
            raise PermissionError(13, "Permission denied")
        return real_open(target, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    (info,) = reading.find(tmp_path)

    assert ("bot", "20240301_143022") == (info.header.agent, info.header.session_id)
    assert f"{path} cannot be read: Permission denied." == info.problem


@pytest.mark.parametrize("name", [f"{STEM}_2.jsonl", "run.jsonl"])
def test_find_lists_what_the_system_cannot_look_at(tmp_path, name):
    """A file at which the system fails is listed with the reason, beside the others."""
    mine = write(tmp_path, first_line(0))
    (tmp_path / name).symlink_to(name)
    infos = {info.path: info for info in reading.find(tmp_path)}

    assert {mine, tmp_path / name} == set(infos)
    assert None is infos[mine].problem
    problem = infos[tmp_path / name].problem
    assert f"{tmp_path / name} cannot be read: {os.strerror(errno.ELOOP)}." == problem


@pytest.mark.parametrize("name", ["missing", "a_file"])
def test_find_names_a_directory_that_is_none(tmp_path, name):
    """A directory that cannot be listed is an error that names it."""
    (tmp_path / "a_file").write_text("x")

    with pytest.raises(TraceReadError, match=name) as told:
        reading.find(tmp_path / name)

    assert "--dir" in str(told.value)
    assert "ai-trace demo" in str(told.value)


@pytest.fixture
def traces(tmp_path):
    """Three sessions of two agents, elsewhere than in the current directory."""
    directory = tmp_path / "traces"
    directory.mkdir()
    for stem in ["bot_20240301_143022", "bot_20240302_143022", "fox_20240301_143022"]:
        agent, session_id = stem.split("_", 1)
        head = {**HEADER, "agent": agent, "session_id": session_id}
        write(directory, encoded({**fields(0), "session": head}), stem=stem)
    return directory


@pytest.mark.parametrize(
    ("wanted", "stem"),
    [
        (None, "bot_20240302_143022"),
        ("latest", "bot_20240302_143022"),
        ("bot_20240301_143022.jsonl", "bot_20240301_143022"),
        ("bot_20240301_143022", "bot_20240301_143022"),
        ("20240302_143022", "bot_20240302_143022"),
        ("fox", "fox_20240301_143022"),
        ("bot", "bot_20240302_143022"),
        ("0302", "bot_20240302_143022"),
        ("gone/fox_20240301_143022.jsonl", "fox_20240301_143022"),
    ],
)
def test_resolve_takes_any_name_of_a_session(traces, wanted, stem):
    """A session is named by file, id, unique part, or as the latest."""
    assert traces / f"{stem}.jsonl" == reading.resolve(traces, wanted)


def test_resolve_takes_a_path(traces, tmp_path_factory):
    """A file that exists is taken as it is, wherever it is."""
    path = write(tmp_path_factory.mktemp("elsewhere"), first_line(0), stem="x")

    assert path == reading.resolve(traces, str(path))
    assert path == reading.resolve("nowhere", str(path))


@pytest.mark.parametrize("suffix", [".json", ".md"])
def test_resolve_takes_a_document(traces, suffix):
    """Who names a document that a tracer saved means the session beside it."""
    (trace, *_) = sorted(traces.glob("*.jsonl"))
    document = trace.with_suffix(suffix)
    document.write_text("# a page", encoding="utf-8")

    assert trace == reading.resolve("nowhere", str(document))


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("bto_20240302_143022", "Did you mean bot_20240302_143022?"),
        ("20240302_143O22", "Did you mean bot_20240302_143022?"),
        ("zzz", "The newest are bot_20240302_143022"),
        (
            "bo",
            (
                "fits 2 sessions, newest first: bot_20240302_143022, "
                "bot_20240301_143022. Give more of the name, or an agent's whole name "
                "for its newest session."
            ),
        ),
        (
            "20240301_143022",
            (
                "fits 2 sessions, newest first: fox_20240301_143022, "
                "bot_20240301_143022. Give the whole name of one."
            ),
        ),
    ],
)
def test_resolve_helps_with_a_wrong_name(traces, wanted, said):
    """A name that fits none or several sessions is answered with the nearest."""
    with pytest.raises(TraceReadError) as caught:
        reading.resolve(traces, wanted)

    assert repr(wanted) in str(caught.value)
    assert said in str(caught.value)


def test_resolve_names_the_newest_of_one_second_first(tmp_path):
    """Of many sessions that one second began, the last numbers are the newest."""
    for number in ("", *(f"_{n}" for n in range(2, 12))):
        write(tmp_path, first_line(0), stem=f"bot_20240301_143022{number}")

    newest = ", ".join(f"bot_20240301_143022_{n}" for n in (11, 10, 9, 8, 7))
    with pytest.raises(TraceReadError, match=f"newest first: {newest} and 6 more"):
        reading.resolve(tmp_path, "bot_2024")


@pytest.mark.parametrize("directory", ["traces", "missing"])
def test_resolve_names_a_path_that_is_not_there(traces, directory):
    """A path that leads nowhere is named, whatever is in the directory."""
    with pytest.raises(TraceReadError) as caught:
        reading.resolve(traces.with_name(directory), "elsewhere/fox.jsonl")

    assert "'elsewhere/fox.jsonl'" in str(caught.value)


@pytest.mark.parametrize("directory", ["traces", "missing"])
def test_resolve_says_that_a_directory_is_no_session(traces, directory):
    """A directory given as the session is reported, with the option for it."""
    with pytest.raises(TraceReadError, match=r"is a directory: name it with --dir\."):
        reading.resolve(traces.with_name(directory), str(traces))


def test_resolve_says_when_there_is_nothing(tmp_path):
    """An empty directory is named as one."""
    with pytest.raises(TraceReadError, match="no sessions in"):
        reading.resolve(tmp_path)


@pytest.mark.parametrize(
    "read",
    [reading.read, lambda p: list(reading.records(p)), lambda p: reading.tail(p, 1)],
    ids=["read", "records", "tail"],
)
@pytest.mark.parametrize("kind", ["missing", "directory", "pipe", "null"])
def test_what_is_no_file_is_an_error(tmp_path, read, kind):
    """A path without a regular file is one error that names it; nothing waits."""
    path = tmp_path / "x\0.jsonl" if kind == "null" else tmp_path / "x.jsonl"
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)

    with pytest.raises(TraceReadError, match="x"):
        read(path)


# --- following ---------------------------------------------------------------------


class Follow:
    """A ``follow`` in a thread of its own; what it yields can be waited for."""

    def __init__(self, path, **options):
        self._found = Queue()
        self._looks = threading.Event()
        self._stop = threading.Event()
        self.problems = []
        self._steps = reading.follow(
            path,
            poll=0.001,
            stop=self._asked,
            on_problem=self.problems.append,
            **options,
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._looks.wait(30)

    def _asked(self):
        self._looks.set()
        return self._stop.is_set()

    def _run(self):
        for step in self._steps:
            self._found.put(step.seq)
        self._found.put("end")

    def take(self):
        """Wait for the next step."""
        return self._found.get(timeout=30)

    def rest(self):
        """Stop, and return what came before the end."""
        self._stop.set()
        found = list(iter(self.take, "end"))
        self._thread.join(30)
        return found


def append(path, data):
    """Write to the end of a file, as a tracer does."""
    with path.open("ab", buffering=0) as file:
        file.write(data)


def test_follow_yields_what_comes(tmp_path):
    """The last n steps come first, then each new one."""
    path = write(tmp_path, first_line(0), line(1), line(2))
    follow = Follow(path, last=2)

    assert [1, 2] == [follow.take(), follow.take()]
    append(path, line(3))
    assert 3 == follow.take()
    append(path, b"damaged\n" + line(4))
    assert 4 == follow.take()
    assert [] == follow.rest()
    assert 1 == len(follow.problems)


def test_follow_takes_what_find_said(tmp_path):
    """What names a session to all other readers names it to this one."""
    write(tmp_path, first_line(0), line(1))
    (info,) = reading.find(tmp_path)

    steps = reading.follow(info, last=2, stop=lambda: True)

    assert [0, 1] == [step.seq for step in steps]


def test_follow_waits_for_the_file(tmp_path):
    """A file that is not there yet is followed from its beginning."""
    follow = Follow(tmp_path / f"{STEM}.jsonl")
    path = write(tmp_path, first_line(0))

    assert 0 == follow.take()
    append(path, line(1))
    assert [1] == follow.rest()


def test_follow_waits_for_the_whole_line(tmp_path):
    """Half a line at the end is not read before its newline is there."""
    half = len(line(1)) // 2
    path = write(tmp_path, first_line(0), line(1)[:half])
    follow = Follow(path, last=1)

    assert 0 == follow.take()
    append(path, line(1)[half:-1])
    append(path, b"\n")
    assert 1 == follow.take()
    assert [] == follow.rest()
    assert [] == follow.problems


def test_follow_yields_a_line_once(tmp_path):
    """A last line without its newline is not read before and after it comes."""
    path = write(tmp_path, first_line(0), line(1).rstrip(b"\n"))
    follow = Follow(path, last=1)

    assert 0 == follow.take()
    append(path, b"\n" + line(2))
    assert [1, 2] == follow.rest()


def test_follow_goes_on_after_truncation(tmp_path):
    """A file that was cut is read from its beginning."""
    path = write(tmp_path, first_line(0), line(1) * 5)
    follow = Follow(path, last=1)
    assert 1 == follow.take()

    path.write_bytes(first_line(7))

    assert 7 == follow.take()
    append(path, line(8))
    assert [8] == follow.rest()


def test_follow_goes_on_after_rotation(tmp_path):
    """What was written before a file was replaced is read, then the new file."""
    path = write(tmp_path, first_line(0))
    follow = Follow(path, last=1)
    assert 0 == follow.take()

    old = path.rename(tmp_path / "old")
    append(old, line(1))
    new = write(tmp_path, first_line(2), stem="new")
    new.replace(path)

    assert [1, 2] == [follow.take(), follow.take()]
    append(path, line(3))
    assert [3] == follow.rest()


def many(begin, end):
    """Return the lines of some steps, the first one with the session's header."""
    return [first_line(begin), *map(line, range(begin + 1, end))]


def replace_by_rename(path, *lines):
    """Put another file in the place of one, as who writes atomically does."""
    write(path.parent, *lines, stem="new").replace(path)


def write_anew(path, *lines):
    """Cut a file to nothing and write it anew, as a copy over it does."""
    path.write_bytes(b"".join(lines))


def delete_and_make(path, *lines):
    """Delete a file and make another by its name."""
    path.unlink()
    write(path.parent, *lines)


each_way_to_change = pytest.mark.parametrize(
    "change", [replace_by_rename, write_anew, delete_and_make]
)


@each_way_to_change
@pytest.mark.parametrize("last", [0, 1, 3, 99])
def test_follow_goes_on_where_it_was_in_a_copy(tmp_path, change, last):
    """A longer copy in the place of a file is followed from where the file was."""
    path = write(tmp_path, *many(0, 50))
    told = []
    follower = _follow.Follower(path, told.append)
    assert min(last, 50) == len(follower.begin(last))

    change(path, *many(0, 53))
    first = numbers(follower.advance())
    append(path, line(53))
    change(path, *many(0, 55))

    assert [50, 51, 52] == first
    assert [53, 54] == numbers(follower.advance())
    assert [] == told
    follower.close()


@each_way_to_change
def test_follow_shows_no_step_twice(tmp_path, change):
    """In a file that replaces another, the steps already read are skipped."""
    path = write(tmp_path, *many(0, 50))
    told = []
    follower = _follow.Follower(path, told.append)
    assert 50 == len(follower.begin(99))

    change(path, line(70), b"damaged\n", *many(0, 50), line(71), line(7))
    found = numbers(follower.advance())
    append(path, line(72))

    assert [70, 71] == found
    assert [72] == numbers(follower.advance())
    assert [f"{path.name}, offset {n}" for n in (0, len(line(70)))] == [
        problem.where for problem in told
    ]
    assert "It was replaced or cut short, so it is read from its b" in told[0].what
    follower.close()


@pytest.mark.parametrize("last", [10, 1, 0])
def test_follow_says_that_a_file_was_cut(tmp_path, last):
    """Where the end of a file is cut off, nothing of the rest is shown once more."""
    path = write(tmp_path, *many(0, 50))
    told = []
    follower = _follow.Follower(path, told.append)
    assert last == len(follower.begin(last))
    os.truncate(path, len(b"".join(many(0, 47))) + 9)
    assert [] == list(follower.advance())

    append(path, b"\n" + (line(49) if last else b"") + line(50))

    assert [50] == numbers(follower.advance())
    where = f"{path.name}, offset {len(b''.join(many(0, 47)))}"
    assert [where, where] == [problem.where for problem in told]
    assert "It was cut short: the end of what was read is no longer in it." == (
        told[0].what
    )
    follower.close()


def test_follow_remembers_the_last_steps_alone(tmp_path, monkeypatch):
    """However long a file is followed, what is remembered of it has a bound."""
    monkeypatch.setattr(_follow, "_REMEMBERED", 20)
    path = write(tmp_path, first_line(0))
    told = []
    follower = _follow.Follower(path, told.append)
    follower.begin(0)
    for n in range(1, 100, 10):
        append(path, b"".join(map(line, range(n, n + 10))))
        assert list(range(n, n + 10)) == numbers(follower.advance())

    write_anew(path, *many(75, 102))

    assert [75, 76, 77, 78, 79, 80, 101] == numbers(follower.advance())
    assert "among the last 20" in told[0].what
    (cursor,) = follower._cursors.values()
    assert 20 >= max(len(cursor._memory._lines), len(cursor._memory._ids))
    follower.close()


def test_follow_sees_another_file_of_the_same_size(tmp_path):
    """A file that is as long as the one before, or longer, is not taken for it."""
    path = write(tmp_path, *many(0, 3))
    told = []
    follower = _follow.Follower(path, told.append)
    follower.begin(3)

    write_anew(path, *many(4, 8))

    assert [4, 5, 6, 7] == numbers(follower.advance())
    replace_by_rename(path, *many(5, 9))
    assert [8] == numbers(follower.advance())
    assert 2 == len(told)
    follower.close()


@pytest.mark.parametrize("beyond", [b"", b"x" * (LINE_LIMIT + 10) + b"\n", b"\n\n"])
def test_follow_knows_where_it_was_by_any_line(tmp_path, beyond):
    """Lines that are not steps do not make it begin again."""
    path = write(tmp_path, *many(0, 3), beyond)
    told = []
    follower = _follow.Follower(path, told.append)
    follower.begin(1)
    count = len(told)
    for n in range(3, 6):
        append(path, line(n) + beyond)
        assert [n] == numbers(follower.advance())

    assert {"damaged"} >= {problem.kind for problem in told}
    assert count * 4 == len(told)
    follower.close()


def test_follow_sees_the_files_of_children(tmp_path):
    """A child that is forked later is followed from its beginning."""
    path = write(tmp_path, first_line(0))
    follow = Follow(path)
    child = write(tmp_path, line(1), stem=f"{STEM}.p5")
    assert 1 == follow.take()

    append(path, line(2))
    assert 2 == follow.take()
    append(child, line(3))
    assert [3] == follow.rest()


def test_follow_passes_over_a_giant_line(tmp_path):
    """A line beyond the limit does not hold up what comes after it."""
    path = write(tmp_path, first_line(0))
    follow = Follow(path, last=1)
    assert 0 == follow.take()

    append(path, b"x" * (LINE_LIMIT + 10))
    append(path, b"x\n" + line(1))

    assert [1] == follow.rest()
    assert 1 <= len(follow.problems) <= 2


def test_follow_yields_what_is_there_when_it_is_stopped(tmp_path):
    """An iterator that is stopped at once still yields what has been written."""
    path = tmp_path / f"{STEM}.jsonl"
    steps = reading.follow(path, stop=lambda: True)
    write(tmp_path, first_line(0), line(1))

    assert [0, 1] == numbers(reading.follow(path, last=2, stop=lambda: True))
    assert [] == list(steps)


def test_follow_does_not_wait_for_what_is_no_file(tmp_path):
    """A path that is there and no regular file is an error, not a wait."""
    with pytest.raises(TraceReadError, match="not a regular file"):
        next(reading.follow(tmp_path))


def test_a_copy_of_a_record_may_be_changed(tmp_path):
    """What a sink does with the copy that it asked for, no other sink sees."""
    (record,) = reading.records(write(tmp_path, first_line(1, logs=[{"_t": START}])))
    copy = record.to_dict()
    copy["context"].clear()
    copy["logs"].append({"sent": True})

    assert {"symbol": "BTCUSDT"} == record.context
    assert [{"_t": START}] == record.logs


# --- size --------------------------------------------------------------------------


def test_records_stream(tmp_path):
    """Reading a file step by step needs no more memory for more steps."""

    def peak(count):
        path = write(tmp_path, first_line(0), line(1) * count)
        tracemalloc.start()
        assert count + 1 == sum(1 for _ in reading.records(path))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(100)
    assert peak(5_000) < peak(500) + 50_000


def test_a_session_keeps_no_lines(tmp_path):
    """A session in memory is an index: far smaller than its file."""
    path = write(
        tmp_path,
        first_line(0),
        *(line(n, n - 1, context={"prompt": "x" * 5_000}) for n in range(1, 2_000)),
    )
    reading.read(path)

    tracemalloc.start()
    session = reading.read(path)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 2_000 == len(session.steps)
    assert kept < 2_000 * 300
    assert peak < path.stat().st_size / 5
    assert step_id(1_999) == session.steps[-1].id
