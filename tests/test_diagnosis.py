from __future__ import annotations

import json

import pytest
from journal_lines import header_line, held, start, write_journal
from trace_lines import (
    HEADER,
    START,
    STEM,
    encoded,
    fields,
    first_line,
    header,
    line,
    write,
)
from trace_lines import record as step_record

from ai_trace import Tracer, TraceReadError, step
from ai_trace._tree import fold
from ai_trace.cli import main
from ai_trace.diagnosis import diagnose, examine
from ai_trace.recovery import recover
from ai_trace.render._values import local_time


GAPS = {
    "lost lines": {"note": "gap", "lost": 3, "error": "ENOSPC"},
    "a new file": {"note": "reopened"},
    "a cut file": {"note": "truncated by another"},
    "a disk that refused": {"note": "durability lost", "error": "EIO"},
    "a journal": {"note": "journal damaged", "lines": 2},
}


@pytest.fixture
def traces(tmp_path):
    """An empty directory for its owner alone."""
    directory = tmp_path / "traces"
    directory.mkdir(mode=0o700)
    return directory


def private(path):
    """Let nobody else read a file."""
    path.chmod(0o600)
    return path


def write_private(traces, *lines, **where):
    """Write a session for its owner alone."""
    return private(write(traces, *lines, **where))


def states(diagnosis):
    """Return the state of each finding that is not good."""
    return {f.topic: f.state for f in diagnosis.findings if f.state != "good"}


def finding(diagnosis, topic):
    """Return the finding of a topic as one text."""
    (found,) = [found for found in diagnosis.findings if found.topic == topic]
    return "\n".join([found.says, *found.details])


def test_a_session_that_was_closed_is_whole(tmp_path):
    """What a tracer has recorded and closed is whole in every respect."""
    with Tracer("agent", tmp_path / "traces") as tracer:
        with step("root"), step("child"):
            pass
    diagnosis = examine(tracer.path)

    assert diagnosis.is_whole
    assert {} == states(diagnosis)
    assert {"ok": 2} == diagnosis.outcomes
    assert "2 lines can be read, none is damaged." == finding(diagnosis, "lines")


def test_an_empty_session_is_whole(traces):
    """Where nothing was recorded, nothing is missing."""
    assert {} == states(examine(write_private(traces)))


def test_damaged_lines_are_named(traces):
    """Each damaged line is named with its number and offset, a torn end too."""
    path = write_private(traces, first_line(0), b"hello\n", line(1), b'{"x')
    diagnosis = examine(path)
    offset = len(first_line(0))

    assert {"lines": "bad"} == states(diagnosis)
    assert "2 lines can be read; 2 problems" in finding(diagnosis, "lines")
    assert f"line 2, offset {offset}: The line is damaged" in finding(
        diagnosis, "lines"
    )
    assert "line 4, offset" in finding(diagnosis, "lines")


def test_much_damage_is_not_said_to_be_less(traces):
    """Where not all problems are listed, their number is said to be larger."""
    lines = [first_line(0), *[line(5)] * 1_500, b"hello\n" * 800]
    says = finding(examine(write_private(traces, *lines)), "lines")

    assert "1,501 lines can be read; more than 800 problems in the file." in says
    assert "1299 more problems are not listed." in says


def test_what_can_be_read_all_the_same_is_whole(traces):
    """A last line without its newline is worth a word, and nothing is missing."""
    diagnosis = examine(write_private(traces, first_line(0)[:-1]))

    assert diagnosis.is_whole
    assert {"lines": "odd"} == states(diagnosis)


def test_steps_that_did_not_end(traces):
    """Unfinished steps are named, with the process that died in them."""
    path = write_private(traces, first_line(3, 1))
    private(write_journal(traces, header_line(), start(1), start(2, 1, name="order")))
    diagnosis = examine(path)

    assert {"steps": "bad", "journal": "odd"} == states(diagnosis)
    assert "2 steps are unfinished: step 1, order." == finding(diagnosis, "steps")
    assert "1 line can be read" in finding(diagnosis, "lines")
    assert "A journal was left behind" in finding(diagnosis, "journal")
    assert "process 7 on here died" in finding(diagnosis, "journal")
    assert "inside `order`" in finding(diagnosis, "journal")


def test_a_journal_without_an_open_step_is_only_in_the_way(traces):
    """A worker that ended by ``os._exit`` leaves its journal: nothing is missing."""
    path = write_private(traces, first_line(1))
    journal = private(write_journal(traces, header_line(), start(1)))
    diagnosis = examine(path)

    assert diagnosis.is_whole
    assert {"journal": "odd"} == states(diagnosis)
    said = "A journal was left behind in which no step is open; 'ai-trace recover' "
    assert finding(diagnosis, "journal").startswith(f"{said}removes it.")
    assert "between steps" in finding(diagnosis, "journal")
    assert [journal] == list(recover(path).removed)


def test_a_session_that_was_recovered_is_whole(traces):
    """All that was recorded is in the file then; that the run died is still said."""
    path = write_private(traces, first_line(1))
    write_journal(traces, header_line(), start(2))
    before = examine(path)
    recover(path)
    after = examine(path)

    assert (False, True) == (before.is_whole, after.is_whole)
    assert {"steps": "odd"} == states(after)
    assert (
        "1 step is unfinished, recovered after the process died: step 2.\n"
        "process 7 on here died inside `step 2`, "
        f"last heard of {local_time(START + 2)}."
    ) == finding(after, "steps")
    assert {"recovered": 1} == after.notes


def test_a_recovery_that_lost_something_is_not_whole(traces):
    """What of the journal could not be read stays a gap, in the recovered line too."""
    path = write_private(traces, first_line(1))
    write_journal(traces, header_line(), start(2), b"hello\n")
    recover(path)

    assert {"steps": "odd", "gaps": "bad"} == states(examine(path))


def test_a_session_that_was_closed_with_steps_open_is_whole(tmp_path):
    """What the tracer closed has its line; that it had not ended is said."""
    with Tracer("agent", tmp_path / "traces") as tracer:
        tracer.step("left").start()
    diagnosis = examine(tracer.path)

    assert diagnosis.is_whole
    assert "left open when the session was closed: left." in finding(diagnosis, "steps")
    assert {"steps": "odd"} == states(diagnosis)


def test_a_step_in_a_damaged_line_is_counted(traces):
    """A whole step behind a torn one is read; the session is not whole all the same."""
    path = write_private(traces, first_line(1), line(2)[:30] + line(3))
    diagnosis = examine(path)

    assert {"gaps", "lines"} == set(states(diagnosis))
    assert "2 lines can be read" in finding(diagnosis, "lines")
    assert "A whole step in it is read." in finding(diagnosis, "lines")


def test_a_living_session_is_whole(traces):
    """Steps that are running are not missing, whatever they were preceded by."""
    path = write_private(traces, first_line(3, 1), line(9, 1))
    journal = private(write_journal(traces, header_line(), start(1)))
    with held(journal):
        diagnosis = examine(path)

    assert {} == states(diagnosis)
    assert "1 step is running: step 1." == finding(diagnosis, "steps")
    assert "process 7 on here is running" in finding(diagnosis, "journal")


def test_a_damaged_journal(traces):
    """A journal that cannot be read in full may have held more steps."""
    path = write_private(traces, first_line(1))
    private(write_journal(traces, header_line(), b"hello\n"))
    diagnosis = examine(path)

    assert {"journal": "bad"} == states(diagnosis)
    assert "1 damaged line in the journal" in finding(diagnosis, "journal")


@pytest.mark.parametrize("note", GAPS.values(), ids=GAPS.keys())
def test_gaps_are_named(traces, note):
    """What the recording noted as lost is a gap, at the step that says so."""
    path = write_private(traces, first_line(0), line(1, notes=[note]))
    diagnosis = examine(path)

    assert {"gaps": "bad"} == states(diagnosis)
    assert "step step 1 0000000000000001: " in finding(diagnosis, "gaps")
    assert {note["note"]: 1} == diagnosis.notes


def test_steps_that_left_no_trace_are_counted(traces):
    """Starts are counted without gaps, so a number that is not there was a step."""
    path = write_private(traces, first_line(1), line(2), line(6), line(7))
    diagnosis = examine(path)

    assert {"gaps": "bad"} == states(diagnosis)
    assert "3 steps are missing by the count of starts." in finding(diagnosis, "gaps")


def test_steps_may_be_missing_because_their_process_died(traces):
    """A step is counted before it is written: a kill in between leaves a number."""
    path = write_private(traces, first_line(1), line(3))
    write_journal(traces, header_line(), start(4))
    said = "missing by the count of starts: lost, or just starting when the process"

    assert f"1 step is {said} died." in finding(examine(path), "gaps")
    recover(path)
    assert f"1 step is {said} died." in finding(examine(path), "gaps")


def test_each_process_counts_for_itself(traces):
    """A forked child goes on where its parent was; that is no gap."""
    path = write_private(traces, first_line(1), line(2), line(3))
    child = encoded({**fields(8), "session": {**HEADER, "pid": 99}})
    write_private(traces, child, line(9), stem=f"{STEM}.p99")

    assert {} == states(examine(path))


@pytest.mark.parametrize("gone", [1, 2])
def test_steps_are_missing_at_the_beginning_too(tmp_path, gone):
    """Starts are counted from 1: a file that lost its first lines is not whole."""
    with Tracer("agent", tmp_path / "traces") as tracer:
        for _ in range(4):
            with step("scan"):
                pass
    assert {} == states(examine(tracer.path))
    lines = tracer.path.read_bytes().splitlines(keepends=True)
    tracer.path.write_bytes(b"".join(lines[gone:]))

    assert {"gaps": "bad"} == states(examine(tracer.path))
    assert f"{gone} step" in finding(examine(tracer.path), "gaps")


@pytest.mark.parametrize("pid", [HEADER["pid"], 99])
def test_sessions_in_one_file_lack_nothing(traces, pid):
    """Tracers that share a file, one by one or at once, each begin with 1."""
    later = {**HEADER, "pid": pid, "started_at": START + 2, "session_id": "another"}
    second = encoded({**fields(11, seq=1), "session": later})
    mixed = [line(3), line(12, seq=2), line(4), line(5), line(6)]
    path = write_private(traces, first_line(1), line(2), second, *mixed)

    assert {"lines": "odd"} == states(examine(path))


def test_old_files_have_no_count(traces):
    """A file of the 0.2 line, without numbers and ids, lacks nothing."""
    old = {"name": "a", "context": {}, "outcome": "ok", "duration_ms": 1.0, "logs": []}

    assert {} == states(examine(write_private(traces, encoded(old) * 3)))


def test_contradictions_of_the_tree(traces):
    """Missing parents, repeated ids and circles are named."""
    path = write_private(
        traces, first_line(0), line(1, 77), line(2, 3), line(3, 2), line(3, name="x")
    )
    diagnosis = examine(path)

    assert {"tree": "bad"} == states(diagnosis)
    assert "3 contradictions" in finding(diagnosis, "tree")


def test_notes_are_counted_by_kind(traces):
    """What was cut or redacted is counted by its kind, and makes nothing less whole."""
    notes = [{"path": "$.a", "note": "truncated"}, {"path": "$.b", "note": "redacted"}]
    path = write_private(traces, first_line(0, notes=notes), line(1, notes=notes[:1]))
    diagnosis = examine(path)

    assert {} == states(diagnosis)
    assert "What steps note: 2 truncated, 1 redacted." == finding(diagnosis, "notes")


def test_notes_without_end_are_bounded(traces):
    """However many kinds of notes a file has, and however long, the answer is short."""
    notes = [{"note": f"{n}" + "x" * 1_000} for n in range(1_000)]
    notes += [{"note": deep} for deep in ([], {"a": 1}, None)]
    losses = [{"note": "gap"}] * 1_000
    diagnosis = examine(write_private(traces, first_line(0, notes=notes + losses)))

    assert len(diagnosis.notes) <= 102
    assert "\n980 more." in finding(diagnosis, "gaps")
    assert len(json.dumps(diagnosis.to_dict())) < 20_000


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (0o644, "Others may read"),
        (0o640, "Others may read"),
        (0o666, "Others may change"),
        (0o602, "Others may change"),
    ],
)
@pytest.mark.parametrize("suffix", [".jsonl", ".open", ".open2"])
def test_permissions_of_files(traces, mode, said, suffix):
    """That others may read or change a file is said, and makes it no less whole."""
    path = write_private(traces, first_line(1))
    for each in (".open", ".open2"):
        private(write_journal(traces, header_line(), start(1), suffix=each))
    path.with_suffix(suffix).chmod(mode)
    diagnosis = examine(path)

    assert diagnosis.is_whole
    assert "odd" == states(diagnosis)["permissions"]
    shown = f"{said} {path.with_suffix(suffix)} (mode {mode:o})."
    assert shown in finding(diagnosis, "permissions")


def test_permissions_of_the_directory(traces):
    """That others may put files beside the session's is said."""
    path = write_private(traces, first_line(1))
    traces.chmod(0o777)
    diagnosis = examine(path)

    assert f"put files into {traces} or take" in finding(diagnosis, "permissions")


def test_a_newer_format(traces):
    """A file of a newer version is whole as far as this one can tell."""
    newer = {**fields(0), "session": {**HEADER, "format": 99}}
    diagnosis = examine(write_private(traces, encoded(newer)))

    assert diagnosis.is_whole
    assert "newer ai_trace (format 99" in finding(diagnosis, "format")


def test_the_diagnosis_is_pure():
    """``diagnose`` needs a session and mode bits, and no file."""
    session = fold([step_record(0)], header())

    assert diagnose(session, {}).is_whole
    assert None is diagnose(session, {}).path


# --- the command ---------------------------------------------------------------------


@pytest.fixture
def doctor(traces, capsys):
    """Run ``ai-trace doctor``; return status, output and complaints."""

    def run(*words):
        status = main(["--dir", str(traces), "doctor", *words])
        return (status, *capsys.readouterr())

    return run


def test_the_command_on_a_whole_session(doctor, traces):
    """Where nothing is missing, ``doctor`` says so and ends with status 0."""
    write_private(traces, first_line(0))
    status, out, err = doctor()

    assert (0, "") == (status, err)
    assert out.endswith("\nWhole.\n")
    assert 8 == out.count("\n✔ ")


def test_the_command_on_a_damaged_session(doctor, traces):
    """Where something is missing, ``doctor`` says what and ends with status 3."""
    path = write_private(traces, first_line(0), b"hello\n", line(5))
    status, out, err = doctor(STEM)

    assert (3, "") == (status, err)
    assert str(path) in out
    assert "✘ lines " in out
    assert "    line 2, offset " in out
    assert out.endswith("\nNot whole: see lines, gaps.\n")


def test_the_command_on_nothing_at_all(doctor, traces):
    """A session of which nothing can be read is not whole; none at all is not found."""
    empty = doctor()
    write_private(traces, b"hello\n")
    damaged = doctor()
    missing = doctor("20990101_000000")

    assert (1, "") == empty[:2]
    assert 3 == damaged[0]
    assert (1, "") == missing[:2]


def test_the_command_for_machines(doctor, traces):
    """``doctor --json`` is one object with the same findings."""
    path = write_private(traces, first_line(0), b"hello\n")
    status, out, _ = doctor("--json")
    shown = json.loads(out)

    assert 3 == status
    assert examine(path).to_dict() == shown
    assert shown["whole"] is False
    assert "bad" == shown["findings"][0]["state"]


def test_hostile_text_stays_in_its_place(doctor, traces):
    """Nothing that a trace holds moves the terminal of ``doctor``."""
    evil = "\x1b]0;pwned\x07\r\n\x9b2J\u202e"
    notes = [{"note": "gap"}, {"note": evil}]
    fake = {**fields(0, name=evil, notes=notes, parent_id=evil), "session": {}}
    fake["session"] = {"agent": evil, "session_id": evil, "version": evil, "host": evil}
    write_private(traces, encoded(fake), evil.encode() + b"\n")
    write_journal(traces, header_line(host=evil), start(9, name=evil))
    status, out, err = doctor()

    assert 3 == status
    assert all(char.isprintable() or char == "\n" for char in out + err)
    assert 8 == sum(row[:2] in ("✔ ", "✘ ", "! ") for row in out.split("\n"))


def test_nothing_is_written(doctor, traces):
    """To examine a session changes no file."""
    write_private(traces, first_line(0), b"hello\n")
    write_journal(traces, header_line(), start(9))
    before = {path: path.read_bytes() for path in traces.iterdir()}
    doctor()

    assert before == {path: path.read_bytes() for path in traces.iterdir()}


def test_a_missing_session_is_an_error(tmp_path):
    """``examine`` raises what all readers raise."""
    with pytest.raises(TraceReadError):
        examine(tmp_path / "x.jsonl")
