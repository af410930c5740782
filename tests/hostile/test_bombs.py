"""
Lines that are meant to exhaust a reader, or to pass for what they are not.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from faults import figures
from hostile.answers import check_commands, run
from journal_lines import header_line, start, write_journal
from trace_lines import HEADER, encoded, fields, first_line, line, step_id, write

from ai_trace import StepRecord, reading
from ai_trace._lines import LINE_LIMIT
from ai_trace._tree import Problem


def bomb(text: bytes, key: bytes = b"context") -> bytes:
    """Return a step's line with something in one of its values."""
    whole = encoded(fields(9, context={"x": 0}, result=0, logs=[{"_t": 0}]))
    place = {
        b"context": b'"x": 0',
        b"result": b'"result": 0',
        b"logs": b'"_t": 0',
    }[key]
    name = place.split(b":")[0]
    assert whole.count(place) == 1
    return whole.replace(place, name + b": " + text)


# S45, and what is near to it; whether the line can be read all the same.
LINES = {
    "deep list": (bomb(b"[" * 100_000), False),
    "deep list, closed": (bomb(b"[" * 100_000 + b"]" * 100_000), False),
    "deep object": (bomb(b'{"a":' * 50_000 + b"1" + b"}" * 50_000), False),
    "as deep as may be": (bomb(b"[" * 390 + b"]" * 390), True),
    "as deep as the decoder can": (bomb(b"[" * 900 + b"]" * 900), False),
    "many lists": (bomb(b"[" + b"[]," * 5_000 + b"[]]"), True),
    "indents without end": (bomb(b"[" * 380 + b"0," * 9_000 + b"0" + b"]" * 380), True),
    "huge integer": (bomb(b"1" * 5_000), False),
    "large integer": (bomb(b"1" * 4_000), True),
    "NaN": (bomb(b"NaN"), False),
    "infinity": (bomb(b"-Infinity"), False),
    "out of range": (bomb(b"1e999"), True),
    "a key twice": (bomb(b'{"a":1,"a":2}'), False),
    "a key twice, deep inside": (bomb(b'[[{"a":[{"b":1,"b":1}]}]]', b"result"), False),
    "deep logs": (bomb(b"[" * 5_000 + b"]" * 5_000, b"logs"), False),
    "lone surrogate": (bomb(b'"\\ud800"'), True),
    "key of a lone surrogate": (bomb(b'{"\\udfff":1}'), True),
    "control characters": (bomb(b'"\x01"'), False),
    "null bytes": (bomb(b'"\\u0000"'), True),
    "not UTF-8": (bomb(b'"\xed\xa0\x80"'), False),
    "beginnings without end": (b'{"name":"a","kind":"b","x":' * 40_000 + b"\n", False),
    "steps in a fragment": (
        b'{"x":[' + b",".join([line(1)[:-1]] * 3) + b"]\n",
        False,
    ),
    "wide text": (bomb(b'"' + b"\xf0\x9f\x98\x80" * 30_000 + b'"'), True),
}


@pytest.mark.parametrize(("hostile", "is_readable"), LINES.values(), ids=LINES.keys())
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_bomb_costs_its_line(tmp_path, hostile, is_readable, place):
    """S45: such a line is read, or named by number and offset; the rest is shown."""
    lines = [line(1), line(2), line(3)]
    at = {"first": 0, "middle": 1, "last": 3}[place]
    path = write(tmp_path, *lines[:at], hostile, *lines[at:])
    figures.counts[figures.HOSTILE] += 1
    items = list(reading.records(path))
    found = [item.seq for item in items if isinstance(item, StepRecord)]
    problems = [item.where for item in items if isinstance(item, Problem)]

    expected = [1, 2, 3]
    if is_readable:
        expected.insert(at, 9)
    assert expected == found
    offset = sum(map(len, lines[:at]))
    assert problems == ([] if is_readable else [f"line {at + 1}, offset {offset}"])
    check_commands(tmp_path)


@pytest.mark.parametrize(("hostile", "is_readable"), LINES.values(), ids=LINES.keys())
def test_a_bomb_in_a_journal_costs_its_line(tmp_path, hostile, is_readable):
    """S45: in a journal too, such a line costs itself alone."""
    path = write(tmp_path, line(1))
    write_journal(tmp_path, header_line(), start(2), hostile, start(3))
    names = [step.seq for step in reading.read(path).steps]

    assert {1, 2, 3} <= set(names) <= {1, 2, 3, 9}
    assert (9 in names) <= is_readable
    check_commands(tmp_path)


HEADERS = {
    "started beyond all time": {"started_at": 10**400},
    "started never": {"started_at": "soon"},
    "a process of a thousand digits": {"pid": 10**1_000},
    "format as text": {"format": "1"},
    "format of a thousand digits": {"format": 10**1_000},
    "agent as list": {"agent": ["a"]},
    "id as object": {"session_id": {}},
    "meta as text": {"meta": "m"},
    "host as number": {"host": 7},
    "nothing": dict.fromkeys(HEADER),
    "keys of its own": {"more": {"x": [1, {"y": None}]}},
}


@pytest.mark.parametrize("wrong", HEADERS.values(), ids=HEADERS.keys())
def test_a_header_may_be_anything(tmp_path, wrong):
    """S47: what is wrong in a header becomes an empty value, in trace and journal."""
    session = {**HEADER, **wrong}
    write(tmp_path, encoded({**fields(1), "session": session}), line(2))
    write_journal(tmp_path, encoded({"session": session}), start(3))
    check_commands(tmp_path)

    shown = json.loads(run(tmp_path, "view", "--json")[1])
    assert ["step 1", "step 2", "step 3"] == [step["name"] for step in shown["steps"]]


def test_a_header_beyond_all_numbers(tmp_path):
    """S45: 1e999 in a header is no time, and costs nothing but that."""
    first = first_line(1).replace(
        b'"started_at": 1709303422.0}', b'"started_at": 1e999}'
    )
    assert first != first_line(1)
    session = reading.read(write(tmp_path, first, line(2)))

    assert ("bot", 0.0, 2) == (
        session.header.agent,
        session.header.started_at,
        len(session.steps),
    )
    assert 0 == run(tmp_path, "view")[0]


VALUES = {
    "text": "1e9",
    "list": [],
    "object": {},
    "true": True,
    "null": None,
    "minus": -1,
    "fraction": 0.5,
    "large": 10**300,
    "giant": 10**400,
}
KEYS = [
    *("name", "kind", "id", "parent_id", "trace_id", "seq", "context", "started_at"),
    *("finished_at", "duration_ms", "outcome", "error", "traceback", "logs", "result"),
    *("function", "notes"),
]


@pytest.mark.parametrize("key", KEYS)
def test_values_of_a_wrong_type_are_named(tmp_path, key):
    """S47: a step with a value of a wrong type is named, never taken for a step."""
    lines = [encoded({**fields(9), key: value}) for value in VALUES.values()]
    write(tmp_path, line(1), *lines, line(2))
    path = write(tmp_path, line(1), *lines, line(2))
    items = list(reading.records(path))
    check_commands(tmp_path)

    assert len(VALUES) + 2 == len(items)
    for record in items:
        if isinstance(record, StepRecord):
            check_types(record)


def check_types(record: StepRecord) -> None:
    """Every view of a record has the type that it says."""
    assert all(
        type(text) is str
        for text in (
            record.name,
            record.kind,
            record.id,
            record.trace_id,
            record.outcome,
        )
    )
    assert type(record.seq) is int
    assert type(record.started_at) is float
    assert isinstance(record.context, dict)
    assert all(isinstance(each, dict) for each in record.logs + record.notes)
    for number in (record.finished_at, record.duration_ms):
        assert number is None or abs(number) <= sys.float_info.max
    for text in (record.parent_id, record.error, record.traceback, record.function):
        assert text is None or type(text) is str


NUMBERS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e999",
    "1" * 5_000,
    "-1",
    "1e300",
]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:9])
@pytest.mark.parametrize("key", ["seq", "started_at", "finished_at", "duration_ms"])
def test_numbers_that_are_none(tmp_path, key, number):
    """S47: what is no number, or beyond all of them, is named; the rest is shown."""
    whole = encoded(fields(9))
    value = json.dumps(fields(9)[key]).encode()
    hostile = whole.replace(
        b'"%s": %s' % (key.encode(), value),
        b'"%s": %s' % (key.encode(), number.encode()),
    )
    assert whole != hostile
    path = write(tmp_path, line(1), hostile, line(2))
    items = list(reading.records(path))
    named = [item.where for item in items if isinstance(item, Problem)]
    is_real = number == "-1" or (number == "1e300" and key != "seq")

    assert named == ([] if is_real else [f"line 2, offset {len(line(1))}"])
    assert (2 + is_real) == sum(isinstance(item, StepRecord) for item in items)
    check_commands(tmp_path)


@pytest.mark.parametrize("key", KEYS)
def test_starts_of_a_wrong_type_are_counted(tmp_path, key):
    """S47: in a journal too."""
    lines = [start(9, **{key: value}) for value in VALUES.values()]
    path = write(tmp_path, line(1))
    write_journal(tmp_path, header_line(), *lines, start(2))
    for record in reading.read(path).steps:
        check_types(record)

    check_commands(tmp_path)


# --- memory --------------------------------------------------------------------------

LIMITED = """
import contextlib, json, os, resource, sys
from ai_trace.cli import main
limit = int(sys.argv[2]) * 1024 * 1024
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
out = {}
for words in json.loads(sys.argv[3]):
    # Into a file: what is shown may not take of the memory that showing it has.
    with open(sys.argv[1] + ".shown", "w+", encoding="utf-8") as text:
        with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
            status = main(["--dir", sys.argv[1], *words])
        text.flush()
        shown = os.pread(text.fileno(), 200_000, 0)
        end = max(len(shown), os.fstat(text.fileno()).st_size - 200_000)
        shown += os.pread(text.fileno(), 200_000, end)
    out[words[0]] = status, shown.decode("utf-8", "replace")
print(json.dumps(out))
"""
VERBS = [
    ["list"],
    ["view"],
    ["stats"],
    ["tail", "--no-follow"],
    ["report", "-o", "-"],
    ["doctor"],
]

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory")


def in_little_memory(directory, megabytes: int) -> dict[str, list]:
    """Run every verb in a process that may use so much memory, and no more."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, directory, str(megabytes), json.dumps(VERBS)],
        capture_output=True,
        text=True,
        timeout=230,
        check=False,
    )
    assert 0 == done.returncode, done.stderr[-2_000:]
    return json.loads(done.stdout)


def test_a_value_of_many_indents_is_shown_in_short(tmp_path):
    """What is deep and wide is shown whole, and not a thousand times its own size."""
    path = write(tmp_path, LINES["indents without end"][0])
    size = path.stat().st_size
    shown = [
        run(tmp_path, *words)[1]
        for words in (("view", "--full"), ("report", "-o", "-"))
    ]

    assert all(out.count("0, 0, 0") > 1_000 for out in shown)
    assert max(map(len, shown)) < 4 * size


@linux
@pytest.mark.timeout(240)
def test_an_endless_line(tmp_path):
    """S46: a line larger than the memory, in trace and journal, is passed over."""
    path = write(tmp_path, first_line(1))
    with path.open("r+b") as file:
        file.truncate(192 * 1024**2)
        file.seek(0, 2)
        file.write(b'"x\n' + line(2, name="behind"))
    journal = write_journal(tmp_path, start(3, name="open"))
    with journal.open("r+b") as file:
        file.truncate(192 * 1024**2)
        file.seek(0, 2)
        file.write(b"\n" + start(4, name="open too"))
    answers = in_little_memory(tmp_path, 150)

    assert {0, 3} == {status for status, _ in answers.values()}
    for verb in ("view", "tail", "stats", "report"):
        shown = answers[verb][1]
        assert all(name in shown for name in ("behind", "open", "open too")), verb
    assert "line 2, offset " in answers["doctor"][1]
    assert f"no more than {LINE_LIMIT} are read" in answers["doctor"][1]


UNFOLDING = {"objects": b'{"a":{}},', "texts": b'"ab",'}


@linux
@pytest.mark.timeout(240)
@pytest.mark.parametrize("piece", UNFOLDING.values(), ids=UNFOLDING.keys())
def test_a_line_that_unfolds(tmp_path, piece):
    """S45: a line for which the memory is too small is named, and the rest is shown."""
    inside = b"[" + piece * ((LINE_LIMIT - 2_000) // len(piece)) + b"0]"
    write(tmp_path, first_line(1), bomb(inside, b"result"), line(2, name="behind"))
    answers = in_little_memory(tmp_path, 150)

    for verb, (status, shown) in answers.items():
        assert status in (0, 3), (verb, shown)
        assert "behind" in shown or verb in ("list", "doctor"), verb
    assert "too large for the memory" in answers["doctor"][1]


LESS_AND_LESS = """
import contextlib, io, json, resource, sys
from ai_trace import TraceReadError, reading
from ai_trace.cli import main
answers = []
for megabytes in (300, 200, 150, 100, 80, 60):
    session = reading.read(sys.argv[1])
    text = io.StringIO()
    limit = megabytes * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    try:
        loaded = session.steps[0].name
    except TraceReadError as exc:
        loaded = str(exc)
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        status = main(["view", sys.argv[1], "--full"])
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_AS, unlimited)
    answers.append((status, loaded, text.getvalue()[-300:]))
    del session
print(json.dumps(answers))
"""


@linux
@pytest.mark.timeout(120)
def test_memory_that_ends_while_a_line_is_shown(tmp_path):
    """S45: a line that could be read, and cannot any more, is an answer too."""
    inside = b"[" + b'"ab",' * 600_000 + b"0]"
    path = write(tmp_path, first_line(1, name="large", result=0))
    path.write_bytes(path.read_bytes().replace(b'"result": 0', b'"result": ' + inside))
    done = subprocess.run(
        [sys.executable, "-c", LESS_AND_LESS, str(path)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert 0 == done.returncode, done.stderr[-2_000:]
    answers = json.loads(done.stdout)

    assert {0, 1} == {status for status, _, _ in answers}
    named = [loaded for _, loaded, _ in answers if loaded != "large"]
    assert named
    assert all("too large for the memory" in text for text in named)
    assert all("memory" in shown for status, _, shown in answers if status)


@linux
@pytest.mark.timeout(240)
def test_many_lines_that_unfold(tmp_path):
    """S45: however many lines unfold, one at a time does."""
    inside = b"[" + b"[]," * 50_000 + b"[]]"
    large = bomb(inside, b"result")
    number = step_id(9).encode()
    lines = [large.replace(number, b"%d" % n) for n in range(12)]
    opened = [start(n).replace(b'"BTCUSDT"', inside) for n in range(100, 112)]
    write(tmp_path, first_line(1), *lines, line(2, name="behind"))
    write_journal(tmp_path, *opened)
    answers = in_little_memory(tmp_path, 90)

    assert {0, 3} == {status for status, _ in answers.values()}
    assert all("behind" in answers[verb][1] for verb in ("view", "tail", "report"))
    assert "12 unfinished" in answers["view"][1]
