"""
Any bytes at all as a trace file and as a journal end in a bounded answer.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hostile.answers import check_commands, check_reading, run
from hostile.samples import STEM, Files, any_sessions, damaged_sessions, sample
from hypothesis import example, given, settings
from hypothesis import strategies as st
from recorded import parse_line

from ai_trace import StepRecord, reading
from ai_trace._tree import Problem


def check(files: Files, *, commands: bool) -> None:
    """Write files to a directory of their own, and ask every reader."""
    with tempfile.TemporaryDirectory() as name:
        path = files.write(Path(name))
        check_reading(files, path)
        if commands:
            check_commands(Path(name))


def test_the_sample_is_what_it_should_be(tmp_path):
    """The sample that is damaged below has finished, failed and open steps."""
    session = reading.read(sample().write(tmp_path))

    assert {"ok": 4, "error": 1, "unfinished": 2} == session.outcomes
    assert [] == list(session.problems)
    assert ["session", "order"] == [
        s.name for s in session.steps if s.outcome == "unfinished"
    ]


@settings(max_examples=150)
@given(any_sessions())
def test_any_bytes_are_read(files):
    """No bytes make a reader fail, loop, or hide a line."""
    check(files, commands=False)


@settings(max_examples=150)
@given(damaged_sessions())
def test_any_damage_is_read(files):
    """Whatever became of a session's files, what is untouched of it is shown."""
    check(files, commands=False)


@settings(max_examples=30)
@given(any_sessions() | damaged_sessions())
@example(Files(b""))
@example(Files(b"\n\n\n"))
@example(Files(b"\0" * 5_000, b"\0" * 5_000, b"\n"))
def test_any_bytes_are_shown(files):
    """Every verb answers over any files, and what it prints moves no terminal."""
    check(files, commands=True)


@settings(max_examples=100)
@given(st.binary(max_size=60), st.integers(0, 5))
def test_names_of_files_may_be_anything(name, ending):
    """Whatever the names of files in a directory are, the sessions there are found."""
    endings = (b".jsonl", b".open", b".open2", b".p7.jsonl", b".p7.open", b".json")
    name = name.replace(b"/", b"_").replace(b"\0", b"_") + endings[ending]
    with tempfile.TemporaryDirectory() as directory:
        path = sample().write(Path(directory))
        with open(Path(directory).as_posix().encode() + b"/" + name, "ab"):
            pass
        infos = reading.find(directory)
        assert path in [info.path for info in infos]
        for info in infos:
            assert isinstance(list(reading.records(info)), list)
        assert run(Path(directory), "list")[0] == 0


def lines_of(count):
    """Return a trace of damaged and sound lines by turns, and where the former are."""
    sound = sample().trace.split(b"\n")[1]
    data, places = b"", []
    for number in range(1, 2 * count, 2):
        places.append(f"line {number}, offset {len(data)}")
        data += b'{"name":"torn\n' + sound.replace(b'"id":"', b'"id":"%d-' % number)
        data += b"\n"
    return data, places


def test_each_damaged_line_is_named(tmp_path):
    """Every damaged line is named with its number and offset, between sound ones."""
    data, places = lines_of(200)
    items = list(reading.records(Files(data).write(tmp_path)))

    assert places == [item.where for item in items if isinstance(item, Problem)]
    assert 200 == sum(isinstance(item, StepRecord) for item in items)


def test_damage_without_end_is_told_in_short(tmp_path):
    """Of twenty thousand damaged lines 900 are named, the others told together."""
    path = Files(b"x\n" * 20_000 + sample().trace).write(tmp_path)
    session = reading.read(path)
    status, out, err = run(tmp_path, "doctor")

    told = [problem.what for problem in session.problems]
    assert 1_000 > len(told)
    assert "None of 19100 lines from here on is a step; they are not named." in told
    assert not any("more problems" in what for what in told)
    assert 5 == len(session.steps) - sum(s.outcome == "missing" for s in session.steps)
    assert 3 == status
    assert len(out) < 200_000
    assert "" == err


@pytest.mark.parametrize("piece", [b'{"a":1', b"\n", b"\0", b"[", b'"', b"\xff"])
def test_much_of_the_same(tmp_path, piece):
    """Much of the same piece is answered at once, as trace and as journal."""
    data = piece * (10_000 if piece == b"\n" else 1_000_000 // len(piece))
    path = Files(data, data, data).write(tmp_path)

    assert 0 == len(reading.read(path).steps)
    check_commands(tmp_path)


def test_recovery_of_any_journal(tmp_path):
    """A damaged session is recovered as far as it can be read, and then whole."""
    for number, cut in enumerate(range(0, len(sample().journal), 97)):
        directory = tmp_path / str(number)
        directory.mkdir()
        files = sample()._replace(journal=sample().journal[cut:], other=b"")
        path = files.write(directory)
        open_steps = [
            record.id
            for record in reading.records(path)
            if isinstance(record, StepRecord) and record.outcome == "unfinished"
        ]
        assert 0 == run(directory, "recover", STEM)[0]
        lines = [parse_line(line) for line in path.read_bytes().splitlines()]
        assert open_steps == [line["id"] for line in lines[5:]]
        assert [path] == list(directory.iterdir())
