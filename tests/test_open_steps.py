from __future__ import annotations

import json
import os
import shutil
import threading
import time
import tracemalloc

import pytest
from hostile_text import TERMINAL
from journal_lines import header_line, held, log, start, write_journal
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
from trace_lines import record as step_record

from ai_trace import _lines as lines
from ai_trace import reading
from ai_trace._record import StepRecord
from ai_trace._tree import Problem, Writer
from ai_trace.cli import main
from ai_trace.diagnosis import examine
from ai_trace.render import markdown, stats, text
from ai_trace.render._style import Style, columns
from ai_trace.render._values import local_time


PLAIN = Style(width=None)


@pytest.fixture
def dead(tmp_path):
    """A session whose process finished step 3 and died in steps 1 and 2."""
    write_journal(
        tmp_path,
        header_line(),
        start(1, name="market_scan"),
        log(1, 0, _t=START + 4.25, signal=0.87),
        start(2, 1, name="order"),
        start(3, 1),
    )
    return write(tmp_path, first_line(3, 1))


def outcomes(records):
    """Return name and outcome of each step."""
    return [(record.name, record.outcome) for record in records]


OPEN = [("market_scan", "unfinished"), ("order", "unfinished")]
RUNNING = [("market_scan", "running"), ("order", "running")]


# --- reading ------------------------------------------------------------------------


def test_a_dead_process_is_known(dead):
    """A journal without a lock tells who died, when it was last heard of, and where."""
    (writer,) = reading.read(dead).writers

    journal = dead.with_suffix(".open")
    assert Writer(7, "here", False, START + 4.25, 2, "order", journal) == writer


def test_a_living_process_is_known(dead):
    """A journal whose lock is held is that of a living process, heard of now."""
    before = time.time()
    with held(dead.with_suffix(".open")):
        session = reading.read(dead)

    (writer,) = session.writers
    assert (7, True, 2, "order") == (
        writer.pid,
        writer.alive,
        writer.open,
        writer.inside,
    )
    assert before <= writer.heard_at <= time.time()
    assert RUNNING == outcomes(session.steps)[:2]
    assert session.steps[0].duration_ms >= (before - START - 1) * 1000


@pytest.mark.parametrize("suffix", [".open", ".open2"])
def test_either_file_of_a_journal_tells_of_life(dead, suffix):
    """A writer lives if it holds the lock on either file of its journal."""
    shutil.copy(dead.with_suffix(".open"), dead.with_suffix(".open2"))
    with held(dead.with_suffix(suffix)):
        assert RUNNING == outcomes(reading.read(dead).steps)[:2]


def test_last_heard_of_is_what_was_recorded(dead):
    """When a process was last heard of stands in its lines: copies keep it."""
    write(dead.parent, first_line(3, 1, finished_at=START + 9))
    os.utime(dead, (0, 0))
    os.utime(dead.with_suffix(".open"))

    session = reading.read(dead)

    assert [START + 9] == [writer.heard_at for writer in session.writers]
    assert 8_000.0 == session.steps[0].duration_ms
    assert None is session.steps[0].finished_at


def test_a_journal_that_says_nothing_is_of_nobody(tmp_path):
    """A journal that was made a moment ago, and is empty, is of no dead process."""
    write_journal(tmp_path)

    assert [] == reading.read(write(tmp_path, first_line(1))).writers


def test_a_child_that_finished_nothing_is_read(dead):
    """A forked child without a line of its own is known by its journal."""
    child = header_line(pid=99)
    write_journal(dead.parent, child, start(5, 1, name="fetch"), stem=f"{STEM}.p99")
    session = reading.read(dead)

    assert [*OPEN, ("step 3", "ok"), ("fetch", "unfinished")] == outcomes(session.steps)
    assert [7, 99] == [writer.pid for writer in session.writers]
    assert session.writers == reading.read(reading.find(dead.parent)[0]).writers


def test_starts_of_the_same_id_are_both_shown(dead):
    """Lines that say the same are one; two that differ are two steps, and reported."""
    again = (start(1, name="market_scan"), start(1, name="another"))
    write_journal(dead.parent, header_line(), *again, suffix=".open2")
    session = reading.read(dead)

    assert {"market_scan", "another", "order", "step 3"} == {
        record.name for record in session.steps
    }
    assert 4 == len(session.steps)
    assert ["twin"] == [problem.kind for problem in session.problems]


def test_notes_of_log_entries_are_kept(dead):
    """What was cut from an open step and its logs is in the notes of its record."""
    cut = {"path": "$.logs[0].text", "note": "truncated"}
    context = {"path": "$.context.text", "note": "truncated"}
    entry = {"log": step_id(8), "n": 0, "entry": {"_t": 1.0}, "notes": [cut, 7]}
    lines = (start(8, notes=[context]), encoded(entry))
    write_journal(dead.parent, *lines, suffix=".open2")

    *_, record = reading.read(dead).steps
    assert [context, cut] == record.notes
    assert "notes" == list(record.to_dict())[-1]


def test_notes_without_end_are_told_apart_one_by_one(tmp_path):
    """Lines of a journal may note anything: it takes no longer than to read them."""
    notes = [{"note": "cut", "n": number} for number in range(40_000)]
    logs = [{"log": step_id(8), "n": n, "entry": {}, "notes": notes} for n in (0, 1)]
    path = write(tmp_path, first_line(3))
    write_journal(tmp_path, header_line(), start(8), *map(encoded, logs))
    (record,) = [step for step in reading.read(path).steps if step.seq == 8]

    assert notes == record.notes


DAMAGED = {
    "not JSON": b"hello\n",
    "not an object": b"[1]\n",
    "neither start nor log": b'{"x":1}\n',
    "context as list": start(8, context=[1]),
    "seq as text": start(8, seq="8"),
    "started beyond all time": start(8).replace(str(START + 8).encode(), b"1e999"),
    "started in a thousand digits": start(8, started_at=10**400),
    "nested too deep": start(8, context={"x": 0}).replace(
        b"0}", b"[" * 5_000 + b"]" * 5_000 + b"}"
    ),
    "no name": encoded({"id": "a"}),
    "a key twice": b'{"id":"a","name":"a","name":"b"}\n',
    "zeros": b"\0" * 600 + b"\n",
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_line_of_a_journal_costs_that_line(dead, damage):
    """A damaged line of a journal is counted, and the others are read."""
    journal = dead.with_suffix(".open")
    journal.write_bytes(damage + journal.read_bytes())

    session = reading.read(dead)

    assert [*OPEN, ("step 3", "ok")] == outcomes(session.steps)
    what = "1 damaged line in the journal of open steps."
    assert [Problem(journal.name, what, "journal")] == list(session.problems)


def test_a_torn_end_of_a_journal_is_no_damage(dead):
    """A process may be killed while it writes: half a line at the end is no damage."""
    with dead.with_suffix(".open").open("ab") as file:
        file.write(start(8)[:-9])

    assert [] == list(reading.read(dead).problems)


def test_times_of_logs_may_be_anything(dead):
    """A log entry's time that is none does not count."""
    lines = (log(1, 1, _t="soon"), log(1, 2, _t=10**400), log(1, 3))
    write_journal(dead.parent, *lines, suffix=".open2")

    session = reading.read(dead)

    assert [START + 4.25] == [writer.heard_at for writer in session.writers]
    assert 4 == len(session.steps[0].logs)


def test_a_large_journal_needs_little_memory(tmp_path):
    """What is kept of a journal is about its size, however it unfolds when decoded."""
    bomb = b"[" + b"[]," * 30_000 + b"[]]"
    plain = start(0, context={"x": 0}).replace(b'"x": 0', b'"x": ' + bomb)
    lines = [plain.replace(step_id(0).encode(), step_id(n).encode()) for n in range(10)]
    write_journal(tmp_path, header_line(), *lines)
    size = sum(map(len, lines))
    path = write(tmp_path, line(99))
    del lines

    tracemalloc.start()
    session = reading.read(path)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 11 == len(session.steps)
    assert kept < 3 * size
    assert peak < 8 * size


def test_a_session_is_read_as_of_one_moment(tmp_path):
    """Steps that start and finish while a session is read are not in it."""
    path = write(tmp_path, first_line(1), line(2))
    found = reading.records(path)
    with path.open("ab") as file:
        file.write(line(4, 3))

    assert [1, 2] == [record.seq for record in found]


def test_a_journal_that_changes_files_meanwhile_is_read(dead, monkeypatch):
    """What went from the second file to the first while both were read is there."""
    second = write_journal(dead.parent, header_line(), start(7), suffix=".open2")
    opened = []

    def open_file(path):
        opened.append(path.suffix)
        # The first time it is asked whether somebody holds its lock.
        if path == second and opened.count(".open2") == 2:
            write_journal(dead.parent, header_line(), start(7), start(8, 7))
            second.write_bytes(b"")
        return lines.open_file(path)

    monkeypatch.setattr("ai_trace._open_steps.open_file", open_file)

    names = {record.name for record in reading.read(dead).steps}
    assert {"step 7", "step 8"} <= names
    assert [".open", ".open2", ".open"] == opened[2:]


def test_a_line_without_an_end_is_no_later_than_the_others(dead):
    """A line that names no time of its end tells nothing of when the writer lived."""
    path = write(dead.parent, first_line(3, 1, finished_at=None, duration_ms=None))

    (writer,) = reading.read(path).writers
    assert START + 4.25 == writer.heard_at


def test_a_journal_that_names_no_time_is_as_old_as_its_file(tmp_path):
    """Where no line names a time, the file's own has to do."""
    journal = write_journal(tmp_path, header_line(), start(1, started_at=0))
    os.utime(journal, (START + 77, START + 77))

    (writer,) = reading.read(write(tmp_path, first_line(9, finished_at=None))).writers
    assert START + 77 == writer.heard_at


def test_a_journal_beyond_measure_is_read_in_part(dead, monkeypatch):
    """Of a journal that no tracer has written so large the rest is counted."""
    found = dead.with_suffix(".open").read_bytes().splitlines(keepends=True)
    three = sum(len(each) + 250 for each in found[:3])
    monkeypatch.setattr("ai_trace._journal._MAX_BYTES", three)
    session = reading.read(dead)

    assert [OPEN[0], ("step 3", "ok")] == outcomes(session.steps)
    (problem,) = session.problems
    assert "2 damaged lines in the journal" in problem.what


def test_a_journal_that_cannot_be_read_is_named(dead):
    """A journal that is there and cannot be read is a problem, and hides no line."""
    dead.with_suffix(".open").unlink()
    dead.with_suffix(".open").mkdir()
    session = reading.read(dead)

    assert ["journal"] == [p.kind for p in session.problems if p.kind != "missing"]
    assert "not a regular file" in session.problems[0].what
    assert [("step 3", "ok")] == outcomes(s for s in session.steps if s.name[0] == "s")


def test_a_session_is_as_new_as_its_journal(dead):
    """When a session was last written counts the writes to its journal."""
    os.utime(dead, (1_000, 1_000))
    os.utime(dead.with_suffix(".open"), (3_000, 3_000))

    assert [3_000.0] == [info.modified for info in reading.find(dead.parent)]


# --- tail ----------------------------------------------------------------------------


def test_tail_shows_open_steps_last(dead):
    """``tail`` gives the last that finished, then all that is open as it started."""
    with held(dead.with_suffix(".open")):
        living = reading.tail(dead, 1)

    assert [("step 3", "ok"), *RUNNING] == outcomes(living)
    assert [("step 3", "ok"), *OPEN] == outcomes(reading.tail(dead, 5))
    assert OPEN == outcomes(reading.tail(dead, 0))


def test_tail_knows_what_has_finished_long_ago(tmp_path):
    """A start whose line is far from the end of the file is not taken for open."""
    starts = [start(number) for number in range(3_000)]
    write_journal(tmp_path, header_line(), *starts, start(9_000))
    path = write(tmp_path, first_line(0), *map(line, range(1, 3_000)))

    assert [9_000] == [record.seq for record in reading.tail(path, 0)]


def test_tail_does_not_read_the_whole_file(tmp_path, monkeypatch):
    """How much of a file ``tail`` reads depends on the journal, not on the file."""
    write_journal(tmp_path, header_line(), start(90_000))
    path = write(tmp_path, first_line(0), *map(line, range(1, 20_000)))
    decoded = []
    from_line = StepRecord.from_line
    monkeypatch.setattr(
        StepRecord,
        "from_line",
        lambda *given: decoded.append(0) or from_line(*given),
    )

    assert [19_999, 90_000] == [record.seq for record in reading.tail(path, 1)]
    assert len(decoded) < 2_000


# --- follow --------------------------------------------------------------------------


class Following:
    """
    Follows a session look by look.
    """

    def __init__(self, path, **options):
        self.seen = []
        self.open = []
        self.writers = []
        self.looked = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)
        self.ends = False
        self.thread = threading.Thread(target=self.follow, args=(path, options))
        self.thread.start()
        self.looked.acquire()

    def follow(self, path, options):
        """Follow until it is told to end."""
        for record in reading.follow(
            path, poll=0, stop=lambda: self.ends, on_open=self.look, **options
        ):
            self.seen.append((record.name, record.outcome))

    def look(self, steps, writers):
        """Take what is open, and wait until it was seen."""
        self.open, self.writers = outcomes(steps), list(writers)
        self.looked.release()
        self.go_on.acquire()

    def next(self):
        """Look once more."""
        self.go_on.release()
        self.looked.acquire()

    def end(self):
        """End the following."""
        self.ends = True
        self.go_on.release()
        self.go_on.release()
        self.thread.join()


@pytest.fixture
def following(dead):
    """A living session that is followed from its last step on."""
    with held(dead.with_suffix(".open")):
        follower = Following(dead, last=1)
        yield follower
        follower.end()


def test_follow_tells_what_is_open(following):
    """With each look, ``follow`` tells what runs, besides what finishes."""
    assert [("step 3", "ok")] == following.seen
    assert RUNNING == following.open
    assert [True] == [writer.alive for writer in following.writers]


def test_a_line_ends_a_running_step(following, dead):
    """A step whose line comes is open no more, whatever its journal still holds."""
    with dead.open("ab") as file:
        file.write(line(2, 1, name="order"))
    following.next()
    after_the_line = following.open
    with dead.with_suffix(".open").open("ab") as file:
        file.write(start(4, 1, name="exit"))
    following.next()

    assert [("step 3", "ok"), ("order", "ok")] == following.seen
    assert [("market_scan", "running")] == after_the_line
    assert [("market_scan", "running"), ("exit", "running")] == following.open


def test_a_step_between_two_looks_is_not_open(following, dead):
    """A step that starts and ends between two looks never seems to run after it."""
    with dead.open("ab") as file:
        file.write(line(4, 1))
    following.next()
    with dead.with_suffix(".open").open("ab") as file:
        file.write(start(4, 1))
    following.next()

    assert RUNNING == following.open


def test_follow_sees_a_journal_made_anew(following, dead):
    """When the files of a journal take turns, nothing is lost and nothing returns."""
    shutil.copy(dead.with_suffix(".open"), dead.with_suffix(".open2"))
    dead.with_suffix(".open").write_bytes(b"")
    following.next()

    assert RUNNING == following.open


def test_follow_sees_a_process_die(dead):
    """When the lock is given back, the steps of that process are unfinished."""
    with held(dead.with_suffix(".open")):
        follower = Following(dead)
        before = follower.open
    follower.next()
    after = follower.open
    follower.end()

    assert RUNNING == before
    assert OPEN == after
    assert [False] == [writer.alive for writer in follower.writers]


def test_follow_sees_a_journal_moved(following, dead):
    """A journal that gets another name is the same: what has finished stays so."""
    with dead.open("ab") as file:
        file.write(line(2, 1, name="order"))
    following.next()
    journal = dead.with_suffix(".open")
    journal.rename(dead.with_name(f"{STEM}.p4711.open"))
    write_journal(dead.parent, header_line(pid=5), start(9, name="mine"))
    following.next()

    assert ("order", "unfinished") not in following.open
    assert {("market_scan", "running"), ("mine", "unfinished")} == set(following.open)


def test_follow_sees_a_session_end(following, dead):
    """When a session ends in order its journal goes, and nothing is open."""
    with dead.open("ab") as file:
        file.write(line(2, 1) + line(1))
    dead.with_suffix(".open").unlink()
    following.next()

    assert [] == following.open == following.writers


def test_follow_sees_the_journals_of_children(following, dead):
    """What a forked child has open is told as soon as its journal is there."""
    lines = (header_line(pid=99), start(5, 1, name="fetch"))
    with held(write_journal(dead.parent, *lines, stem=f"{STEM}.p99")):
        following.next()

        assert [*RUNNING, ("fetch", "running")] == following.open


# --- what people see -----------------------------------------------------------------


def test_the_tree_names_the_dead_process(dead):
    """The header of the tree names who died, when, and in which step."""
    shown = list(text.tree(reading.read(dead), PLAIN))

    when = local_time(START + 4.25)
    said = f"process 7 on here died inside `order`, last heard of {when}"
    assert said in shown
    assert "? market_scan unfinished after at least 3.25 s" in "\n".join(shown)


def test_a_narrow_terminal_tells_where_a_process_died(dead):
    """Of the line on a dead process, the time of its death is cut before the step."""
    shown = text.tree(reading.read(dead), PLAIN._replace(width=50))

    assert "process 7 on here died inside `order`, last heard…" in list(shown)


def test_the_tree_names_the_living_process(dead):
    """The header of the tree names a process that is running, and in which step."""
    with held(dead.with_suffix(".open")):
        shown = "\n".join(text.tree(reading.read(dead), PLAIN))

    assert "process 7 on here is running, inside `order`" in shown
    assert "… market_scan running for " in shown
    assert "  so far " in shown.splitlines()[1]


def test_between_steps(tmp_path):
    """Of a process that had nothing open it is said that it ended, not that it died."""
    write_journal(tmp_path, header_line(pid=0, host=""), start(1))
    session = reading.read(write(tmp_path, first_line(1)))

    when = local_time(START + 1.5)
    assert (
        "a process ended between steps without closing its session, "
        f"last heard of {when}"
    ) == text.writer(session.writers[0], PLAIN)


def test_the_page_names_the_process(dead):
    """The report names the process in its metadata, and what is unfinished as that."""
    page = "".join(markdown.session(reading.read(dead)))

    said = "- Process 7 on here died inside `order`, last heard of 2024-03-01 14:30:26Z"
    assert f"{said}\n" in page
    assert "`market_scan` (unfinished, after at least 3.25 s)" in page
    assert "not in the file" not in page


def test_the_page_of_a_session_that_goes_on(dead):
    """What a session took while it goes on is what it took so far."""
    assert "- Took: " in "".join(markdown.session(reading.read(dead)))
    with held(dead.with_suffix(".open")):
        page = "".join(markdown.session(reading.read(dead)))

    assert ("- So far: " in page, "- Took: " in page) == (True, False)


def test_a_page_saved_at_the_end_of_a_run_is_quiet(tmp_path):
    """That a process lives which has nothing open is not said on its page."""
    journal = write_journal(tmp_path, header_line(), start(1))
    path = write(tmp_path, first_line(1))
    with held(journal):
        page = "".join(markdown.session(reading.read(path)))

    assert "rocess" not in page


def test_a_process_that_died_before_a_step_had_finished(tmp_path, capsys):
    """Where the trace file says nothing yet, the journal tells of the session."""
    write_journal(tmp_path, header_line(), start(1, name="market_scan"))
    path = write(tmp_path)
    (info,) = reading.find(tmp_path)
    session = reading.read(path)
    diagnosis = examine(path)
    shown = [main(["--dir", str(tmp_path), *w]) for w in (["list"], ["view"])]
    out = capsys.readouterr().out

    for stated in (info.header, session.header, session.steps[0].header):
        assert {"model": "m"} == stated.meta
        assert (7, "here", "1.0") == (stated.pid, stated.host, stated.version)
        assert "bot" == stated.agent
    assert "written by ai_trace 1.0" in str(diagnosis.findings)
    assert [0, 0] == shown
    assert "process 7 on here died" in out
    assert 2 == out.count("bot")


@pytest.mark.parametrize("suffix", [".open", ".open2"])
def test_a_lost_first_line_costs_no_header(tmp_path, suffix):
    """A header that a trace file has lost is read from its journal, whichever file."""
    write_journal(tmp_path, header_line(), start(1), suffix=suffix)
    path = write(tmp_path, b'{"name":"torn\n', line(3, 1))

    assert {"model": "m"} == reading.read(path).header.meta
    assert [{"model": "m"}] * 2 == [s.header.meta for s in reading.tail(path, 5)]
    assert {"model": "m"} == reading.find(tmp_path)[0].header.meta


def test_without_a_journal_a_lost_parent_is_a_placeholder(tmp_path):
    """Where no journal tells of a parent, its place says that it is not in the file."""
    shown = "\n".join(text.tree(reading.read(write(tmp_path, first_line(3, 1))), PLAIN))

    assert f"step {step_id(1)} is not in this file" in shown


def test_hostile_names_of_processes_stay_in_their_place(tmp_path):
    """The host and the step that a journal names are escaped, and bounded."""
    name = "\x1b[2J`](http://evil)\n# x" + "x" * 10_000
    write_journal(tmp_path, header_line(host=name), start(1, name=name))
    session = reading.read(write(tmp_path, line(9)))

    shown = text.writer(session.writers[0], PLAIN)
    page = "".join(markdown.session(session))
    said = next(each for each in page.split("\n") if "died" in each)
    assert shown.isprintable()
    assert max(map(len, (shown, said))) < 1_000
    assert "\x1b" not in page
    assert " on ``\\x1b[2J`](http://evil)⏎# xx" in said


def test_steps_without_an_end_have_no_figures(dead):
    """How long an open step has run is no duration, and changes no figure."""
    found = reading.records(write(dead.parent, line(8, name="order"), line(3)))
    figures = stats.collect([found]).to_dict()

    order = next(each for each in figures["names"] if each["name"] == "order")
    assert {"ok": 2, "unfinished": 2} == figures["outcomes"]
    assert (2, 500.0, 500.0, 500.0) == (
        order["count"],
        order["median_ms"],
        order["max_ms"],
        order["total_ms"],
    )


def test_what_runs_is_one_line(dead):
    """What is running is told on one line, the last step first, fit to the width."""
    with held(dead.with_suffix(".open")):
        steps = [s for s in reading.read(dead).steps if s.outcome == "running"]

    now = START + 12
    assert "… order for 10.0 s, market_scan for 11.0 s" == text.running(
        steps, now, PLAIN
    )
    assert "~ order for 10.0..." == text.running(
        steps, now, Style(width=19, unicode=False)
    )
    assert "" == text.running([], now, PLAIN)


@pytest.mark.parametrize("name", TERMINAL.values(), ids=TERMINAL.keys())
def test_hostile_names_stay_on_the_last_line(name):
    """Whatever running steps are called, what runs is one line within the width."""
    steps = [step_record(number, name=name * 9) for number in range(3)]
    shown = text.running(steps, START, Style(width=40))

    assert shown.isprintable()
    assert columns(shown) <= 40


def test_open_steps_are_json_like_all_others(dead):
    """A session's open steps keep their header and their line when it is read."""
    record = reading.read(dead).steps[0]

    assert header() == record.header
    assert {**fields(1, name="market_scan"), "logs": record.logs} == {
        **json.loads(record.line),
        "finished_at": START + 1.5,
        "duration_ms": 500.0,
        "outcome": "ok",
    }
    assert HEADER == record.header.to_dict()
