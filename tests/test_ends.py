"""
How all steps of a file ended, told at once, is what its lines say one by one.
"""

from __future__ import annotations

import gzip
import json
import os

import pytest
from cli_runs import run
from hypothesis import given
from hypothesis import strategies as st
from journal_lines import header_line, start, write_journal
from test_glance import FIRST, HEADS, UNUSUAL, plain
from trace_lines import HEADER, write

from ai_trace import Tracer, _ends, _glance, reading
from ai_trace._record import encode_line
from ai_trace._session_info import SessionInfo
from ai_trace._walk import Walk
from ai_trace.cli._counted import Counted


def tellers():
    """Return every way to tell how steps ended that this environment has."""
    found = [pytest.param(_ends._by_expression(), id="expression")]
    look = _glance.fast_glancer()
    if look is None:
        return found
    return [*found, pytest.param(_ends._by_look(look), id="msgspec")]


each_teller = pytest.mark.parametrize("told", tellers())


def by_walking(path):
    """Return what a list shows of a file whose lines are decoded one by one."""
    counted = Counted(SessionInfo(0, path.stem, 0.0, (str(path),)), {})
    for found in Walk([path], None).batches(None):
        counted.add(found)
    return shown(counted)


def shown(counted):
    """Return what a list shows, outcomes in their order; with how many problems."""
    header = counted.header
    outcomes = list(counted.outcomes.items())
    times = counted.started_at, counted.finished_at
    return header.agent, header.session_id, times, outcomes, counted.problems


def at_once(told, path):
    """Return what a list shows of a file that is told of at once, if it is."""
    counted = Counted(SessionInfo(0, path.stem, 0.0, (str(path),)), {})
    is_told = counted.take(lambda file: _ends._ends(told, file))
    return shown(counted) if is_told else None


@each_teller
def test_plain_sessions_are_told_of_at_once(tmp_path, told):
    """How steps ended is told of all lines of a session that a tracer wrote."""
    described = {**HEADER, "agent": "Ünicode", "host": 'a "b"', "durability": "disk"}
    head = {**plain(outcome="error", error="E: \n"), "session": described}
    outcomes = ["ok", "cancelled", "ok", "error", "closed"]
    lines = [head, *(plain(seq=n, outcome=each) for n, each in enumerate(outcomes))]
    lines.append(plain(name="é\\", finished_at=1709303999.25))
    lines.append(plain(traceback="x", result={"x": [1]}, notes=[{"path": "$"}]))
    for count in range(1, len(lines) + 1):
        path = write(tmp_path, *map(encode_line, lines[:count]))

        assert at_once(told, path) is not None
        assert by_walking(path) == at_once(told, path)


def test_what_a_tracer_writes_is_told_of_at_once(tmp_path):
    """A tracer's own file is told of, down to its header."""
    with Tracer("bot", tmp_path, meta={"model": "m", "tags": ["a"]}) as tracer:
        for number in range(3):
            with tracer.step("scan", n=number) as step:
                step.log(text='a "text"\n')
    (path,) = tmp_path.glob("*.jsonl")
    told = at_once(_ends._by_expression(), path)

    assert told is not None
    assert by_walking(path) == told


@each_teller
@pytest.mark.parametrize("first", HEADS.values(), ids=HEADS.keys())
def test_a_file_that_is_told_of_has_no_other_steps(tmp_path, told, first):
    """What is told of a file at once is what its lines say, or nothing."""
    sound = encode_line(plain(seq=1))
    for lines in ([first], [first, sound], [first, first], [sound, first]):
        path = write(tmp_path, *lines)

        assert at_once(told, path) in (None, by_walking(path))


@each_teller
@pytest.mark.parametrize("line", UNUSUAL.values(), ids=UNUSUAL.keys())
def test_a_file_with_an_unusual_line_is_not_told_of(tmp_path, told, line):
    """One line that is not plain leaves the whole file to who names what is wrong."""
    sound = encode_line(plain(seq=1))
    for lines in ([FIRST, line], [FIRST, line, sound], [FIRST, sound, line]):
        path = write(tmp_path, *lines)

        assert at_once(told, path) in (None, by_walking(path))


@each_teller
@given(
    flips=st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), max_size=3),
    cut=st.integers(0, 900),
)
def test_any_damage_to_a_file(tmp_path_factory, told, flips, cut):
    """However a file is damaged, what is told of it is what its lines say."""
    data = bytearray(FIRST + encode_line(plain(seq=1, error="é\\")))
    for at, value in flips:
        data[at % len(data)] = value
    del data[cut % len(data) : cut % len(data) + cut % 3]
    path = write(tmp_path_factory.mktemp("any"), bytes(data))
    walked_through = by_walking(path)
    doubts = str(list(reading.records(path)))

    if "stands twice" not in doubts:
        assert at_once(told, path) in (None, walked_through)


@each_teller
def test_a_header_that_does_not_say_all_is_not_told_of(tmp_path, told):
    """What a list takes from elsewhere where a header is silent, it goes on to take."""
    for more in ({"version": ""}, {"started_at": 0.0}, {"agent": 'a "b"'}):
        head = encode_line({**plain(), "session": {**HEADER, **more}})

        assert at_once(told, write(tmp_path, head)) is None


@each_teller
@given(
    ends=st.lists(
        st.sampled_from([0, 9, 999_999_999, 1_709_303_422, 99_999_999_999])
        | st.floats(0, 3e9).map(lambda end: round(end, 6)),
        min_size=1,
    )
)
def test_the_latest_end_is_the_last(tmp_path_factory, told, ends):
    """Whenever steps finished, and in whatever order, the latest end is told."""
    lines = [encode_line(plain(finished_at=each)) for each in ends]
    path = write(tmp_path_factory.mktemp("any"), FIRST, *lines)

    assert at_once(told, path) in (None, by_walking(path))


@each_teller
def test_other_files_are_not_told_of(tmp_path, told):
    """A long file, an empty one and none are left to who reads them in pieces."""
    files = {
        "long": FIRST + encode_line(plain(seq=1)) * 300,
        "empty": b"",
        "torn": FIRST + encode_line(plain(seq=1))[:-1],
        "none": None,
    }
    for name, data in files.items():
        path = tmp_path / f"{name}_20240301_143022.jsonl"
        if data is not None:
            path.write_bytes(data)

        assert _ends._ends(told, str(path)) is None


def test_a_long_list_is_that_of_each_session(tmp_path):
    """In a directory of any size a list shows of each session what it shows of one."""
    lines = [encode_line(plain(seq=n)) for n in range(3)]
    for number in range(200):
        agent = f"bot{number}"
        head = encode_line({**plain(), "session": {**HEADER, "agent": agent}})
        write(tmp_path, head, *lines, stem=f"{agent}_20240301_143022")
    write(tmp_path, *lines, stem="bot0_20240301_143022.part2")
    write(tmp_path, *lines, stem="bot1_20240301_143022.p77")
    write_journal(tmp_path, header_line(), start(9), stem="bot2_20240301_143022")
    write(tmp_path, FIRST, b"damaged\n", stem="bot3_20240301_143022")
    write(tmp_path, lines[0], stem="bot4_20240301_143022")
    packed = tmp_path / "bot5_20240301_143022.jsonl"
    packed.with_suffix(".jsonl.gz").write_bytes(gzip.compress(packed.read_bytes()))
    packed.unlink()
    told = _sessions(tmp_path)

    assert 128 * 1024 < sum(each["size"] for each in told.values())
    assert 200 == len(told)
    for number in range(8):
        directory = tmp_path / "alone" / str(number)
        directory.mkdir(parents=True)
        for file in tmp_path.glob(f"bot{number}_*"):
            file.rename(directory / file.name)
        for name, alone in _sessions(directory).items():
            assert alone == told[name]
    assert {4, 7, 5, 1} == {each["steps"] for each in told.values()}


def _sessions(directory):
    """Return what a list says of each session, by its file."""
    words = ("--dir", str(directory), "list", "--json")
    listed = json.loads(run(*words, cwd=directory).stdout)["sessions"]
    return {os.path.basename(each.pop("path")): each for each in listed}
