"""
Compressed sessions read like any others, and never need more than has a bound.
"""

from __future__ import annotations

import gzip
import importlib
import json
import random
import subprocess
import sys

import pytest
from cli_runs import run
from trace_lines import STEM, first_line, line, write

from ai_trace import _packed, reading
from ai_trace._record import StepRecord
from ai_trace._tree import Problem
from ai_trace.diagnosis import examine
from ai_trace.exceptions import TraceError, TraceReadError
from ai_trace.recovery import recover


def zstandard():
    """Return the module that knows Zstandard, None if there is none."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


ZSTD = zstandard()
needs_zstd = pytest.mark.skipif(ZSTD is None, reason="needs the extra zstd")
each_packing = pytest.mark.parametrize(
    "packing", [".gz", pytest.param(".zst", marks=needs_zstd)]
)
LINES = [first_line(1, 0), line(2, 0), line(3, 0, outcome="error"), line(0)]


def compress(data, packing):
    """Compress bytes as the command-line tools do."""
    return gzip.compress(data) if packing == ".gz" else ZSTD.compress(data)


def pack(path, packing):
    """Replace a trace file by a compressed one."""
    packed = path.with_name(path.name + packing)
    packed.write_bytes(compress(path.read_bytes(), packing))
    path.unlink()
    return packed


def numbers(items):
    """Return the ``seq`` of each step."""
    return [item.seq for item in items]


@each_packing
def test_a_packed_session_reads_the_same(tmp_path, packing):
    """Every way to read gives of a compressed session what it gives of a plain one."""
    path = write(tmp_path, *LINES)
    plain = (
        [step.line for step in reading.read(path).steps],
        list(reading.records(path)),
        reading.tail(path, 2),
        [info.stem for info in reading.find(tmp_path)],
        reading.find(tmp_path)[0].header,
        [finding.says for finding in examine(path).findings[:4]],
        list(reading.follow(path, last=2, poll=0, stop=lambda: True)),
    )

    packed = pack(path, packing)

    assert packed == reading.resolve(tmp_path)
    assert packed == reading.resolve(tmp_path, "20240301_143022")
    assert packed == reading.resolve(tmp_path, STEM)
    assert plain == (
        [step.line for step in reading.read(packed).steps],
        list(reading.records(packed)),
        reading.tail(packed, 2),
        [info.stem for info in reading.find(tmp_path)],
        reading.find(tmp_path)[0].header,
        [finding.says for finding in examine(packed).findings[:4]],
        list(reading.follow(packed, last=2, poll=0, stop=lambda: True)),
    )
    assert plain[0] == [
        step.line for step in reading.read(reading.find(tmp_path)[0]).steps
    ]


@each_packing
@pytest.mark.parametrize(
    "words",
    [
        "list",
        "view --full",
        "view --errors",
        "view --json",
        "tail --no-follow -n 2",
        "stats",
        "report -o -",
    ],
)
def test_every_verb_reads_it(tmp_path, packing, words):
    """Each verb prints of a compressed session what it prints of the plain one."""
    path = write(tmp_path, *LINES)
    words = ["--dir", ".", *words.split()]
    size = path.stat().st_size
    plain = run(*words, cwd=tmp_path)

    packed = pack(path, packing)
    shown = run(*words, cwd=tmp_path)

    sizes = (f"{size / 1000:.1f} kB", f"{packed.stat().st_size} B".rjust(6))
    assert 0 == plain.returncode
    assert plain.stdout.replace(sizes[0], sizes[1]).split() == shown.stdout.split()


@each_packing
def test_parts_may_be_packed_one_by_one(tmp_path, packing):
    """The files of forked children belong to it, whichever of them are compressed."""
    pack(write(tmp_path, first_line(1)), packing)
    child = write(tmp_path, first_line(2), stem=f"{STEM}.p99")

    session = reading.read(child)

    assert [1, 2] == numbers(session.steps)
    assert [2] == [len(info.parts) for info in reading.find(tmp_path)]


def test_the_plain_file_is_read_where_both_are(tmp_path):
    """What an interrupted compression left behind is not read twice."""
    path = write(tmp_path, *LINES)
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(b"half of it"))

    assert [path] == list(reading.find(tmp_path)[0].parts)
    assert 4 == len(reading.read(path).steps)
    assert path == reading.resolve(tmp_path)


@each_packing
@pytest.mark.parametrize("damage", ["cut off", "changed", "not packed", "empty"])
def test_damage_is_said_and_the_rest_is_read(tmp_path, packing, damage):
    """What unpacks of a damaged file is read, and the damage is a problem."""
    lines = [first_line(0)] + [line(n, result=f"{n * 7919:x}") for n in range(1, 3_000)]
    packed = pack(write(tmp_path, *lines), packing)
    data = bytearray(packed.read_bytes())
    if damage == "cut off":
        del data[len(data) // 2 :]
    elif damage == "changed":
        data[len(data) // 2] ^= 0xFF
        data[-5:] = b"wrong"
    else:
        data = bytearray(b"hello" if damage == "not packed" else b"")
    packed.write_bytes(data)

    items = list(reading.records(packed))
    problems = [item for item in items if isinstance(item, Problem)]

    assert "file" in [problem.kind for problem in problems]
    steps = [item for item in items if isinstance(item, StepRecord)]
    assert list(range(len(steps))) == numbers(steps)
    told = []
    last = reading.tail(packed, 2, on_problem=told.append)
    assert numbers(last) == numbers(steps[-2:])
    assert problems[-1] == told[-1]
    if damage == "cut off":
        assert 100 < len(steps) < 2_999


def test_files_put_together_are_one(tmp_path):
    """What was compressed in pieces, or padded with zeros, is read to its end."""
    path = write(tmp_path)
    packed = path.with_name(path.name + ".gz")
    path.unlink()
    packed.write_bytes(gzip.compress(LINES[0]) + gzip.compress(b"".join(LINES[1:])))

    assert [1, 2, 3, 0] == numbers(reading.records(packed))


BOMB = """
import resource, sys
from ai_trace import reading
limit = 400 * 1024 * 1024
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
items = list(reading.records(sys.argv[1]))
print(len(items), *(item.what for item in items[1:]))
print([info.header.agent for info in reading.find(sys.argv[2])])
"""


def zeros(path, size):
    """Write a gzip file of one step and so many zero bytes behind it, in pieces."""
    piece = gzip.compress(bytes(1 << 20))
    path.write_bytes(gzip.compress(first_line(0)) + piece * (size >> 20))


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory")
def test_a_bomb_has_a_bounded_answer(tmp_path, monkeypatch):
    """A file that unpacks to gigabytes is read up to a bound, in bounded memory."""
    packed = tmp_path / f"{STEM}.jsonl.gz"
    zeros(packed, 1_200 << 20)

    done = subprocess.run(
        [sys.executable, "-c", BOMB, str(packed), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )

    first, second = done.stdout.splitlines()
    assert first.startswith("3 The line has 10737")
    assert "unpacks to more than 1073741824 bytes; the rest is not read." in first
    assert "['bot']" == second


def test_the_bound_holds_for_every_reader(tmp_path, monkeypatch):
    """What reads from the end unpacks no more than what reads from the beginning."""
    monkeypatch.setattr(_packed, "_ALWAYS", 4_000)
    monkeypatch.setattr(_packed, "_USUAL_RATIO", 1)
    packed = pack(write(tmp_path, first_line(0), *map(line, range(1, 90))), ".gz")

    steps = [item for item in reading.records(packed) if isinstance(item, StepRecord)]

    assert 5 < len(steps) < 20
    assert numbers(steps[-3:]) == numbers(reading.tail(packed, 3))
    assert numbers(steps) == numbers(reading.read(packed).steps)


def test_without_zstandard(tmp_path, monkeypatch):
    """Where Zstandard is not known, the message says what to install."""
    packed = tmp_path / f"{STEM}.jsonl.zst"
    packed.write_bytes(b"(\xb5/\xfd")
    for name in ("compression.zstd", "backports.zstd"):
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(TraceReadError, match=r"ai-decision-tracer\[zstd\]"):
        reading.read(packed)
    assert "Zstandard" in str(reading.find(tmp_path)[0].problem)
    assert 0 == run("--dir", ".", "list", cwd=tmp_path).returncode


def test_a_packed_session_is_not_recovered(tmp_path):
    """Nothing is appended to a compressed file."""
    path = write(tmp_path, *LINES)
    start = {**json.loads(line(9)), "context": {}}
    for key in ("finished_at", "duration_ms", "outcome", "error", "logs"):
        del start[key]
    (tmp_path / f"{STEM}.open").write_text(json.dumps(start) + "\n")
    packed = pack(path, ".gz")
    before = packed.read_bytes()

    assert "unfinished" in reading.read(packed).outcomes
    with pytest.raises(TraceError, match="Unpack it"):
        recover(packed)
    assert before == packed.read_bytes()


def pieces(empty, count):
    """Return a step, then pieces in which there is next to nothing, then a step."""
    packing = ".gz" if empty.startswith(b"\x1f") else ".zst"
    first, last = compress(first_line(0), packing), compress(line(1), packing)
    return packing, first + empty * count + last


@pytest.mark.parametrize(
    "make",
    [
        lambda: gzip.compress(b""),
        lambda: gzip.compress(b"\n"),
        pytest.param(lambda: ZSTD.compress(b""), marks=needs_zstd),
        pytest.param(lambda: ZSTD.compress(b"\n"), marks=needs_zstd),
        pytest.param(lambda: b"\x50\x2a\x4d\x18" + bytes(4), marks=needs_zstd),
    ],
    ids=["gzip", "gzip of a byte", "zstd", "zstd of a byte", "skipped"],
)
def test_pieces_of_nothing_are_bounded(tmp_path, monkeypatch, make):
    """A file of almost nothing but beginnings of files is not read to its end."""
    monkeypatch.setattr(_packed, "_PIECES", 1_000)
    packing, data = pieces(make(), 20_000)
    packed = tmp_path / f"{STEM}.jsonl{packing}"
    packed.write_bytes(data)
    made = []
    kind = _packed._kind_of(packed)
    counting = kind._replace(make=lambda: made.append(0) or kind.make())
    monkeypatch.setattr(_packed, "_kind_of", lambda path: counting)

    step, problem = reading.records(packed)
    told = []
    last = reading.tail(packed, 2, on_problem=told.append)

    assert [0] == numbers([step]) == numbers(last)
    assert [problem] == told
    assert "Its first 10" in problem.what
    assert "bytes; the rest is not read." in problem.what
    assert 2_000 < len(made) < 2_500
    assert not examine(packed).is_whole
    packed.write_bytes(pieces(make(), 900)[1])
    assert [0, 1] == numbers(reading.records(packed))


@each_packing
def test_lines_may_be_packed_one_by_one(tmp_path, monkeypatch, packing):
    """A file that was compressed line by line is read to its end."""
    monkeypatch.setattr(_packed, "_PIECES", 10)
    lines = [first_line(0), *map(line, range(1, 1_200))]
    packed = tmp_path / f"{STEM}.jsonl{packing}"
    packed.write_bytes(b"".join(compress(each, packing) for each in lines))

    assert list(range(1_200)) == numbers(reading.records(packed))


@pytest.mark.parametrize(
    "hostile", [b'"name"\n', b"\n", b'{"name":"a","outcome":"ok"}\n']
)
def test_a_bomb_of_lines_has_a_bounded_answer(tmp_path, hostile):
    """Few lines are read of a small file that unpacks to millions of them."""
    plain = b"".join([first_line(0), hostile * 1_000_000])
    packed = tmp_path / f"{STEM}.jsonl.gz"
    packed.write_bytes(gzip.compress(plain))
    room = 100_000 + packed.stat().st_size // 4

    session = reading.read(packed)
    told = []
    reading.tail(packed, 2, on_problem=told.append)

    said = f"It unpacks to more than {room} lines; the rest is not read."
    assert said == session.problems[-1].what == told[-1].what
    assert len(session.steps) < 1.2 * room


@each_packing
def test_as_many_steps_as_there_can_be_are_read(tmp_path, monkeypatch, packing):
    """Steps that say nothing but when they were are never too many for their file."""
    monkeypatch.setattr(_packed, "_LINES", 0)
    monkeypatch.setattr(_packed, "_DENSE", 0)
    lines = [
        b'{"name":"a","kind":"step","id":"%s","outcome":"ok","started_at":%.6f}\n'
        % (random.Random(n).randbytes(8).hex().encode(), 1.7e9 + n)
        for n in range(20_000)
    ]
    packed = pack(write(tmp_path, *lines), packing)

    assert 20_000 == len(reading.read(packed).steps)
