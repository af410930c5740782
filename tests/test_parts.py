"""
A session that was too long for one file: its parts are read as one.
"""

from __future__ import annotations

import gzip
import json
import os
import time
from collections import Counter
from itertools import chain

import pytest
from cli_runs import run
from journal_lines import header_line, held, start, write_journal
from test_reading import Follow, append
from trace_lines import HEADER, START, STEM, encoded, fields, line, step_id, write

from ai_trace import TraceError, _find, _follow, _lines, diagnosis, reading
from ai_trace._parts import journal_files, missing, split_journal_name, split_name
from ai_trace._recent import read_around
from ai_trace.housekeeping import compress, delete, survey
from ai_trace.recovery import recover


def first(number, part, parent=None, **more):
    """Return the first line of a part."""
    stated = dict(HEADER, **more) if part == 1 else dict(HEADER, part=part, **more)
    return encoded({**fields(number, parent), "session": stated})


def stem(part, pid=0):
    """Return the name of a part, without its suffix."""
    child = f".p{pid}" if pid else ""
    return f"{STEM}{child}.part{part}" if part > 1 else f"{STEM}{child}"


@pytest.fixture
def three(tmp_path):
    """A session of three parts, whose root is the last line, and a child of two."""
    path = write(tmp_path, first(1, 1, 0), line(2, 0))
    write(tmp_path, first(3, 2, 0), line(4, 0), stem=stem(2))
    write(tmp_path, first(7, 3, 0), line(8, 0), line(0), stem=stem(3))
    write(tmp_path, first(5, 1, 0, pid=99), stem=stem(1, 99))
    write(tmp_path, first(6, 2, 0, pid=99), stem=stem(2, 99))
    return path


def seqs(steps):
    """Return the numbers of steps."""
    return [step.seq for step in steps]


# --- names -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("bot_1.jsonl", ("bot_1", (0, 1))),
        ("bot_1.part2.jsonl", ("bot_1", (0, 2))),
        ("bot_1.part10.jsonl.gz", ("bot_1", (0, 10))),
        ("bot_1.p99.jsonl", ("bot_1", (99, 1))),
        ("bot_1.p99.part2.jsonl.zst", ("bot_1", (99, 2))),
        ("bot_1.part1.jsonl", ("bot_1.part1", (0, 1))),
        ("bot_1.part02.jsonl", ("bot_1.part02", (0, 1))),
        ("bot_1.part2.p99.jsonl", ("bot_1.part2", (99, 1))),
        (".part2.jsonl", (".part2", (0, 1))),
        ("bot_1.part2.json", None),
    ],
)
def test_a_name_tells_the_place(name, split):
    """The name of a file tells the session, the process and the part."""
    assert split == split_name(name)


def test_a_process_has_one_journal():
    """The journal of any part is that of its process; there are no others."""
    assert ["d/a.p9.open", "d/a.p9.open2"] == journal_files("d/a.p9.part12.jsonl")
    assert ["d/a.open", "d/a.open2"] == journal_files("d/a.jsonl.gz")
    assert ("a", 9, "a.p9.open") == split_journal_name("a.p9.open2")
    assert split_journal_name("a.part2.open") is None


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ((1, 2, 3), []),
        ((1,), []),
        ((1, 3), ["Part 2 of 3 is"]),
        ((2, 3), ["Part 1 of 3 is"]),
        ((1, 5), ["Parts 2 to 4 of 5 are"]),
        ((2, 4, 9), ["Parts 1, 3, 5 to 8 of 9 are"]),
        ((999_999_999,), ["Parts 1 to 999999998 of 999999999 are"]),
        (range(2, 40, 2), ["Parts 1, 3, 5, 7, 9 and others of 38 are"]),
    ],
)
def test_a_missing_part_is_named(there, said):
    """One sentence for each process says what is missing."""
    files = [f"{stem(n, pid)}.jsonl" for n in there for pid in (0, 7)]

    expected = [f"{each} missing; what stood there is not shown." for each in said * 2]
    assert expected == [what for _, what in missing(files)]


# --- read as one -------------------------------------------------------------------


def test_parts_are_one_session(three, tmp_path):
    """All parts are one session in order, whichever of them is named."""
    names = [f"{stem(n)}.jsonl" for n in (1, 2, 3)]
    names += [f"{stem(n, 99)}.jsonl" for n in (1, 2)]
    (info,) = reading.find(tmp_path)

    assert names == [part.name for part in info.parts]
    assert sum(map(os.path.getsize, info.parts)) == info.size
    assert "20240301_143022" == info.header.session_id
    for path in (info, *info.parts):
        session = reading.read(path)
        assert list(range(9)) == seqs(session.steps)
        assert [0] == seqs(session.roots)
        assert [] == session.problems
        assert [1, 2, 3, 4, 7, 8, 0, 5, 6] == seqs(reading.records(path))
        seen = chain.from_iterable(reading.batches(path))
        assert [1, 2, 3, 4, 7, 8, 0, 5, 6] == seqs(seen)


@pytest.mark.parametrize(
    "name",
    [
        "latest",
        STEM,
        f"{stem(2)}.jsonl",
        f"{stem(2, 99)}.jsonl",
        "143022",
        f"{STEM}.open",
    ],
)
def test_any_name_of_it_means_the_session(three, tmp_path, name, monkeypatch):
    """A session is found by the name of any of its files."""
    monkeypatch.chdir(tmp_path.parent)
    assert three == reading.resolve(tmp_path, name)


def test_a_part_without_a_header_is_of_the_process_before_it(three, tmp_path):
    """Where the first line of a part is lost, the part before it says who wrote it."""
    later = write(tmp_path, b"lost\n", line(4, 0), stem=stem(2))
    session = reading.read(later)

    assert [0, 1, 2, 4, 5, 6, 7, 8] == seqs(session.steps)
    assert {7, 99} == {step.header.pid for step in session.steps}
    assert [f"{later.name}, line 1, offset 0"] == [p.where for p in session.problems]


def test_compressed_parts_read_the_same(three, tmp_path):
    """A session is compressed with all its parts, and deleted with them."""
    (stored,) = survey(tmp_path)
    compress(stored)

    assert {".gz"} == {path.suffix for path in tmp_path.iterdir()}
    (info,) = reading.find(tmp_path)
    assert list(range(9)) == seqs(reading.read(info).steps)
    assert [8, 0] == seqs(reading.tail(info, 2))
    (stored,) = survey(tmp_path)
    delete(stored)
    assert [] == list(tmp_path.iterdir())


def test_a_part_that_came_meanwhile_is_not_deleted(three, tmp_path):
    """A session that has begun a part since it was looked at is left alone."""
    (stored,) = survey(tmp_path)
    write(tmp_path, first(9, 4, 0), stem=stem(4))

    for act in (delete, compress):
        with pytest.raises(TraceError, match="being written"):
            act(stored)
    assert 6 == len(list(tmp_path.iterdir()))


def test_a_page_is_beside_the_session(three, tmp_path):
    """The page of a session is named for it, whichever part was named."""
    done = run("report", f"{stem(2, 99)}.jsonl", cwd=tmp_path)

    assert f"{STEM}.md\n" == done.stdout
    assert 1 == len(survey(tmp_path))


def test_verbs_take_parts_for_one_session(three, tmp_path):
    """``list``, ``stats``, ``view`` and ``tail`` count and show each step once."""
    listed = json.loads(run("list", "--json", "--dir", ".", cwd=tmp_path).stdout)
    assert [9] == [each["steps"] for each in listed["sessions"]]
    counted = json.loads(run("stats", "--json", "--dir", ".", cwd=tmp_path).stdout)
    assert (1, 9) == (counted["sessions"], counted["steps"])
    shown = json.loads(run("view", "--json", "--dir", ".", cwd=tmp_path).stdout)
    assert list(range(9)) == [step["seq"] for step in shown["steps"]]
    words = ("tail", "--no-follow", "-n", "4", "--json", "--dir", ".")
    last = map(json.loads, run(*words, cwd=tmp_path).stdout.splitlines())
    assert [6, 7, 8, 0] == sorted((s["seq"] for s in last), key=lambda n: n or 9)


# --- a part that is missing --------------------------------------------------------


def test_a_missing_part_is_said_in_one_line(three, tmp_path):
    """``view`` and ``doctor`` name a part that is not there, and show the rest."""
    (tmp_path / f"{stem(2)}.jsonl").unlink()
    said = f"{stem(3)}.jsonl: Part 2 of 3 is missing; what stood there is not shown."

    viewed = run("view", "--dir", ".", cwd=tmp_path)
    assert 1 == viewed.stderr.count("\n")
    assert said in viewed.stderr
    assert 0 == viewed.returncode
    examined = run("doctor", "--dir", ".", cwd=tmp_path)
    assert 3 == examined.returncode
    assert 1 == examined.stdout.count(said)
    assert not diagnosis.examine(three).is_whole


def test_a_missing_first_part_is_said(three, tmp_path):
    """A session is found and read without its first part."""
    three.unlink()
    (info,) = reading.find(tmp_path)
    session = reading.read(info)

    assert ["Part 1 of 3 is missing; what stood there is not shown."] == [
        problem.what for problem in session.problems
    ]
    assert "20240301_143022" == session.header.session_id


@pytest.mark.parametrize("begun", [b"", b"damaged\n", line(9)])
def test_the_header_is_that_of_the_first_part_that_has_one(tmp_path, begun):
    """Where the first process recorded nothing, its children say who recorded it."""
    path = write(tmp_path, begun)
    write(tmp_path, line(1), stem=stem(1, 98))
    stated = {**HEADER, "agent": "Nightly Bot!", "pid": 99}
    write(tmp_path, encoded({**fields(2), "session": stated}), stem=stem(1, 99))
    (info,) = reading.find(tmp_path)
    chosen = ("--dir", ".", "--agent", stated["agent"])
    listed = run("list", "--json", *chosen, cwd=tmp_path)
    (session,) = json.loads(listed.stdout)["sessions"]

    assert [stated] * 2 == [
        each.header.to_dict() for each in (info, reading.read(path))
    ]
    assert stated["agent"] == session["agent"]


# Of compressed files, more stay open.
@pytest.mark.parametrize(("suffix", "most"), [(".gz", 1), ("", 3)])
def test_files_whose_steps_alternate_are_not_unpacked_each_time(
    tmp_path, monkeypatch, suffix, most
):
    """A compressed file is unpacked once, however the steps of a session alternate."""
    write(tmp_path, first(0, 1))
    for pid in range(1, 41):
        begun = [{"started_at": START + 50 * n + pid} for n in range(3)]
        head = encoded({**fields(pid, **begun[0]), "session": {**HEADER, "pid": pid}})
        later = [line(50 * n + pid, **begun[n]) for n in (1, 2)]
        path = write(tmp_path, head, *later, stem=stem(1, pid))
        if suffix:
            path.with_name(path.name + suffix).write_bytes(
                gzip.compress(path.read_bytes())
            )
            path.unlink()
    session = reading.read(tmp_path / f"{stem(1)}.jsonl")
    opened = opens(monkeypatch)
    shown = [step.seq for step in session.steps]

    assert sorted(shown) == shown
    assert 121 == len(shown)
    assert most == max(Counter(opened).values())


# --- the end alone -----------------------------------------------------------------


def opens(monkeypatch):
    """Count the trace files that are opened from now on."""
    names = []
    open_raw = _lines._open_raw

    def counting(path):
        names.append(os.path.basename(path))
        return open_raw(path)

    monkeypatch.setattr(_lines, "_open_raw", counting)
    return names


@pytest.fixture
def hundred(tmp_path):
    """A session of a hundred parts of ten steps."""
    for part in range(1, 101):
        numbers = range(10 * part, 10 * part + 10)
        lines = [line(n) for n in numbers[1:]]
        path = write(tmp_path, first(numbers[0], part), *lines, stem=stem(part))
    return path


def test_tail_opens_the_last_parts_alone(hundred, monkeypatch):
    """The last steps are read from the last parts, as many as hold them."""
    names = opens(monkeypatch)

    assert list(range(985, 1010)) == seqs(reading.tail(hundred, 25))
    assert {f"{stem(n)}.jsonl" for n in (98, 99, 100)} == {
        name for name in names if "part" in name
    }


def test_a_clock_set_back_between_parts(tmp_path):
    """Within a process the parts stay in order, whatever the clock said."""
    later = {"started_at": START + 500, "finished_at": START + 501}
    path = write(tmp_path, encoded({**fields(1, **later), "session": HEADER}))
    write(tmp_path, first(2, 2), stem=stem(2))

    assert [1, 2] == seqs(reading.tail(path, 2))


def test_what_finished_in_an_earlier_part_is_not_open(tmp_path):
    """A step in the journal may have its line in the part before the last."""
    path = write(tmp_path, first(1, 1), line(2))
    write(tmp_path, first(3, 2), stem=stem(2))
    write_journal(tmp_path, header_line(), start(2), start(4))

    assert [1, 2, 3, 4] == seqs(reading.tail(path, 5))
    assert [3, 4] == seqs(reading.tail(path, 1))
    assert [4] == [s.seq for s in reading.read(path).steps if s.outcome == "unfinished"]


def test_a_recent_step_is_found_in_the_last_parts(hundred, monkeypatch):
    """A step near the end is shown without a look at all parts."""
    names = opens(monkeypatch)
    near = read_around(hundred, step_id(995))

    assert near is not None
    assert "step 995" == near.find(step_id(995)).name
    assert 20 > len(set(names))
    assert [] == near.problems


# --- following ---------------------------------------------------------------------


def test_follow_goes_on_in_the_next_part(tmp_path):
    """Following continues in the next part of a session."""
    path = write(tmp_path, first(1, 1))
    follow = Follow(path, last=1)
    assert 1 == follow.take()
    append(path, line(2))
    write(tmp_path, first(3, 2), stem=stem(2))
    assert [2, 3] == [follow.take(), follow.take()]
    write(tmp_path, first(4, 3), line(5), stem=stem(3))
    write(tmp_path, first(6, 4), stem=stem(4))
    assert [4, 5, 6] == [follow.take() for _ in range(3)]
    write(tmp_path, first(7, 1, pid=99), stem=stem(1, 99))
    write(tmp_path, first(8, 2, pid=99), stem=stem(2, 99))

    assert [7, 8] == follow.rest()


def test_follow_shows_no_step_of_two_parts_twice(tmp_path):
    """What a tracer writes once more, as its file was replaced, is not shown again."""
    path = write(tmp_path, first(1, 1), line(2), line(3))
    follower = _follow.Follower(path)
    assert [2, 3] == seqs(follower.begin(2))
    append(path, line(4))
    assert [4] == seqs(follower.advance())
    write(tmp_path, first(2, 2), line(3), line(4), line(5), line(5), stem=stem(2))

    assert [5, 5] == seqs(follower.advance())
    follower.close()


def test_follow_begins_at_the_end(hundred, monkeypatch):
    """Only the parts with the last steps are opened, and two stay open."""
    names = opens(monkeypatch)
    follower = _follow.Follower(hundred)
    last = follower.begin(12)

    assert list(range(998, 1010)) == seqs(last)
    assert [] == list(follower.advance())
    assert {f"{stem(n)}.jsonl" for n in (99, 100)} == set(names) - {f"{STEM}.open"}
    write(hundred.parent, first(2000, 101), stem=stem(101))
    write(hundred.parent, first(2001, 102), stem=stem(102))
    assert [2000, 2001] == seqs(follower.advance())
    still = [c for c in follower._cursors.values() if c._file is not None]
    assert [f"{stem(n)}.jsonl" for n in (101, 102)] == sorted(
        c.path.name for c in still
    )
    follower.close()


def test_who_follows_a_child_that_is_compressed_sees_it_once(three, tmp_path):
    """A file that gets smaller while it is followed is not read again."""
    follower = _follow.Follower(three)
    assert 9 == len(follower.begin(100))
    (stored,) = survey(tmp_path)
    compress(stored)

    assert [] == list(follower.advance())
    follower.close()


# --- recovery ----------------------------------------------------------------------


def test_recovered_steps_stand_in_the_last_part(three, tmp_path):
    """What a process died in becomes lines of the part that it was writing."""
    write_journal(tmp_path, header_line(), start(8, 0), start(9, 0))
    journal = write_journal(tmp_path, header_line(pid=99), start(6), stem=stem(1, 99))
    with held(journal), pytest.raises(TraceError, match="still writing"):
        recover(three)
    done = recover(three)

    assert [9] == seqs(done.steps)
    assert b'"step 9"' in (tmp_path / f"{stem(3)}.jsonl").read_bytes()
    assert list(range(10)) == seqs(reading.read(three).steps)


def test_a_part_that_was_only_begun_gets_its_header(tmp_path):
    """Recovered lines in an empty part begin with a header that says which it is."""
    path = write(tmp_path, first(1, 1))
    empty = write(tmp_path, stem=stem(2))
    write_journal(tmp_path, header_line(), start(2))
    recover(path)

    (recovered,) = empty.read_bytes().splitlines()
    assert 2 == json.loads(recovered)["session"]["part"]
    assert [1, 2] == seqs(reading.read(path).steps)


def test_a_session_is_as_new_as_its_last_part(three, tmp_path):
    """A session was last written when any of its parts was."""
    now = time.time()
    os.utime(tmp_path / f"{stem(3)}.jsonl", (now + 500, now + 500))

    assert now + 500 == pytest.approx(_find.find(tmp_path)[0].modified)
