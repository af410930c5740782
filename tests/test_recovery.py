from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import stat
from contextlib import contextmanager, suppress
from itertools import count
from types import SimpleNamespace

import pytest
from faults.nth_fault import ERRORS, NthFault, NthShortWrite
from faults.system_calls import counted, intercepted
from journal_lines import header_line, held, log, start, write_journal
from recorded import parse_line
from trace_lines import START, STEM, first_line, line, write

from ai_trace import TraceError, TraceReadError, reading
from ai_trace._deaths import deaths
from ai_trace.cli import main
from ai_trace.recovery import recover


@pytest.fixture
def dead(tmp_path):
    """A session with a forked child; both died in steps, the child in its first."""
    directory = tmp_path / "traces"
    directory.mkdir()
    write_journal(
        directory,
        header_line(),
        start(1, name="market_scan"),
        log(1, 0, _t=START + 4.25, signal=0.87),
        start(2, 1, name="order"),
        start(3, 1),
    )
    write_journal(directory, header_line(), start(2, 1, name="order"), suffix=".open2")
    child = (header_line(pid=99), start(5, 1, name="fetch"))
    write_journal(directory, *child, stem=f"{STEM}.p99")
    return write(directory, first_line(3, 1))


def recovered(directory):
    """Return the lines that recovery has added, by file, and what else is there."""
    lines = {}
    for path in sorted(directory.iterdir()):
        found = []
        for raw in path.read_bytes().split(b"\n"):
            try:
                data = parse_line(raw)
            except ValueError:
                continue
            if data.get("outcome") == "unfinished":
                found.append(raw)
        lines[path.name] = found
    return lines


def test_each_process_gets_its_lines(dead):
    """Open steps become lines of the files of their processes; the journals go."""
    before = {record.id: record for record in reading.read(dead).steps}
    done = recover(dead)

    child = dead.with_name(f"{STEM}.p99.jsonl")
    assert [dead, child] == sorted(dead.parent.iterdir())
    assert ["market_scan", "order", "fetch"] == [step.name for step in done.steps]
    assert [2, 1] == [len(found) for found in recovered(dead.parent).values()]
    for record in reading.read(dead).steps:
        shown = record.to_dict()
        if record.outcome == "unfinished":
            notes = shown.pop("notes")
            heard_at = START + (5 if record.name == "fetch" else 4.25)
            assert [{"note": "recovered", "heard_at": heard_at}] == notes
        assert shown == before[record.id].to_dict()


def test_a_new_file_has_a_header_and_is_private(dead):
    """The file that a child gets has the child's header, and is its owner's alone."""
    before = os.umask(0)
    try:
        recover(dead)
    finally:
        os.umask(before)

    child = dead.with_name(f"{STEM}.p99.jsonl")
    assert 99 == json.loads(child.read_bytes())["session"]["pid"]
    assert 0o600 == stat.S_IMODE(child.stat().st_mode)


def test_any_file_of_the_session_may_be_named(dead):
    """To name a forked child's file recovers the whole session."""
    assert 3 == len(recover(dead.with_name(f"{STEM}.p99.jsonl")).steps)


def test_lines_are_written_at_once_and_synced_before_the_journal_goes(dead):
    """One write for each file, on the disk before its journal is removed."""
    with counted() as calls:
        recover(dead)

    made = [call.name for call in calls]
    assert 2 == made.count("write")
    assert made.index("unlink") > max(
        n for n, name in enumerate(made) if "sync" in name
    )
    assert 3 == made.count("unlink")


def test_nothing_to_do(dead):
    """Without a journal nothing is done, to a file that may not even be writable."""
    recover(dead)
    once = dead.read_bytes()
    done = recover(dead)

    assert ([], [], 0) == (done.steps, done.removed, done.damaged)
    assert once == dead.read_bytes()


def test_a_journal_with_nothing_open_goes(tmp_path):
    """A journal whose steps all have lines is removed, and nothing is added."""
    path = write(tmp_path, first_line(1))
    journal = write_journal(tmp_path, header_line(), start(1))
    empty = write_journal(tmp_path, stem=f"{STEM}.p99")
    before = path.read_bytes()
    done = recover(path)

    assert [journal, empty] == done.removed
    assert [] == done.steps
    assert before == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize("tail", [b'{"id":"x","te', b"\0" * 90, line(9)[:-1]])
def test_a_torn_tail_is_fenced(dead, tail):
    """What is appended is on lines of its own, and whole lines stay whole."""
    with dead.open("ab") as file:
        file.write(tail)
    recover(dead)

    names = {record.name for record in reading.read(dead).steps}
    assert names - {"step 9"} == {"step 3", "market_scan", "order", "fetch"}
    assert ("step 9" in names) == (tail == line(9)[:-1])


@pytest.mark.parametrize("stem", [STEM, f"{STEM}.p99"])
@pytest.mark.parametrize("suffix", [".open", ".open2"])
def test_a_living_session_is_left_alone(dead, stem, suffix):
    """While one process of a session lives, nothing of it is touched."""
    if not dead.with_name(stem + suffix).exists():
        shutil.copy(dead.with_name(f"{stem}.open"), dead.with_name(stem + suffix))
    before = {path: path.read_bytes() for path in dead.parent.iterdir()}
    pid = 99 if "p99" in stem else 7

    with held(dead.with_name(stem + suffix)):
        with pytest.raises(TraceError, match=f"Process {pid} on here is still writing"):
            recover(dead)

    assert before == {path: path.read_bytes() for path in dead.parent.iterdir()}


def test_two_recoveries_do_not_meet(dead):
    """While one recovery is at work, another one is refused."""
    descriptor = os.open(dead, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(TraceError, match="Another process is at work"):
        recover(dead)
    os.close(descriptor)

    assert 3 == len(recover(dead).steps)


def test_what_cannot_be_read_of_a_journal_is_said(dead):
    """Damaged lines of a journal are counted, and noted in the first line recovered."""
    with dead.with_suffix(".open").open("ab") as file:
        file.write(b"hello\n[1]\n")
    done = recover(dead)

    assert 2 == done.damaged
    assert {"note": "journal damaged", "lines": 2} in done.steps[0].notes
    assert [1] * 2 == [len(step.notes) for step in done.steps[1:]]


def test_a_session_that_is_not_there(tmp_path):
    """A session that is not there is an error of reading, with a journal or without."""
    path = tmp_path / f"{STEM}.jsonl"
    with pytest.raises(TraceReadError, match="There is no file"):
        recover(path)
    write_journal(tmp_path, start(1))
    with pytest.raises(TraceReadError, match="There is no file"):
        recover(path)


@pytest.mark.parametrize("suffix", [".open", ".open2"])
def test_a_journal_is_no_trace(dead, suffix):
    """To recover a journal itself is refused; the command takes it for its session."""
    journal = dead.with_suffix(suffix)
    with pytest.raises(TraceReadError, match="is a journal"):
        recover(journal)

    assert dead == reading.resolve(dead.parent, str(journal))
    assert 0 == main(["recover", str(journal)])
    assert [dead, dead.with_name(f"{STEM}.p99.jsonl")] == sorted(dead.parent.iterdir())


@pytest.mark.parametrize("what", ["link", "pipe", "directory"])
def test_a_planted_journal_is_not_followed(dead, tmp_path, what):
    """A journal that is a link, a pipe or a directory stops the recovery, no more."""
    planted = dead.with_suffix(".open2")
    planted.unlink()
    if what == "link":
        planted.symlink_to(tmp_path / "elsewhere")
        (tmp_path / "elsewhere").write_bytes(start(9))
    elif what == "pipe":
        os.mkfifo(planted)
    else:
        planted.mkdir()
    before = dead.read_bytes()

    with pytest.raises(TraceError, match="is not recovered"):
        recover(dead)

    assert before == dead.read_bytes()
    assert planted.is_symlink() or planted.exists()


def test_a_planted_trace_is_not_followed(dead, tmp_path):
    """A link at the place of a child's file is not written through."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"mine\n")
    dead.with_name(f"{STEM}.p99.jsonl").symlink_to(elsewhere)

    with pytest.raises(TraceError, match="is not recovered"):
        recover(dead)

    assert b"mine\n" == elsewhere.read_bytes()


# --- faults --------------------------------------------------------------------------


class Killed(BaseException):
    """Ends a recovery between two system calls, as a kill does."""


@contextmanager
def a_process_of_its_own():
    """Close whatever a killed recovery has left open, as the system would."""
    before = open_files()
    try:
        yield
    finally:
        for descriptor, *_ in open_files() - before:
            os.close(descriptor)


def open_files():
    """
    Return the descriptors of this process, and of which file each is.

    A number that was free in between, after a collection, stands for another file.
    """
    found = set()
    for descriptor in map(int, os.listdir("/dev/fd")):
        # That of the look itself is gone.
        with suppress(OSError):
            status = os.fstat(descriptor)
            found.add((descriptor, status.st_dev, status.st_ino))
    return found


class KillAt(NthFault):
    """
    Ends a recovery in place of the n-th call.
    """

    def _fail(self, call, proceed):
        self.injected += 1
        raise Killed


class KillAfterHalf(KillAt):
    """
    As ``KillAt``, when half of what was to be written is written.
    """

    def _fail(self, call, proceed):
        if call.name == "write" and self.calls == self.n:
            os.write(
                call.arguments[0], call.arguments[1][: len(call.arguments[1]) // 2]
            )
        return super()._fail(call, proceed)


KINDS = {
    **{
        f"{errno.errorcode[error]} {name}": (NthFault, error, lasting)
        for error in ERRORS
        for name, lasting in (("once", False), ("for good", True))
    },
    "short write": (NthShortWrite, errno.ENOSPC, False),
    "disk full": (NthShortWrite, errno.ENOSPC, True),
    "kill": (KillAt, errno.EIO, True),
    "kill in a write": (KillAfterHalf, errno.EIO, True),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_any_system_call_may_fail(dead, tmp_path, kind):
    """Whichever call fails or is the last, once more ends with the same lines, once."""
    sound = shutil.copytree(dead.parent, tmp_path / "sound")
    recover(sound / dead.name)
    expected = recovered(sound)
    make, error, lasting = kind

    for n in count(1):
        directory = shutil.copytree(dead.parent, tmp_path / str(n))
        path = directory / dead.name
        known = {record.name for record in reading.read(path).steps}
        fault = make(n, error, lasting=lasting)
        try:
            with a_process_of_its_own(), intercepted(fault):
                recover(path)
        except (TraceError, Killed):
            assert fault.injected, f"it failed without a fault at {n}"
            session = reading.read(path)
            assert known == {record.name for record in session.steps}, fault
            assert len(known) == len(session.steps), fault
        recover(path)

        assert expected == recovered(directory), fault
        if not fault.injected:
            break
        shutil.rmtree(directory)

    assert n > 20, "the harness does not see the system calls"


def test_a_failure_leaves_no_half_line(dead):
    """What was written of the lines when the disk became full is taken back."""
    before = dead.read_bytes()
    fault = NthShortWrite(1, errno.ENOSPC, lasting=False)

    def first_write(call, proceed):
        if call.name == "write":
            return fault(call, proceed)
        return proceed()

    with intercepted(first_write), pytest.raises(TraceError, match="No space left"):
        recover(dead)

    assert before == dead.read_bytes()


def test_what_another_wrote_meanwhile_stays(dead):
    """A failed recovery takes back its own bytes, never what another has appended."""

    def full(call, proceed):
        if call.name == "write":
            with dead.open("ab") as file:
                file.write(line(8))
            raise OSError(errno.ENOSPC, "No space left on device")
        return proceed()

    with intercepted(full), pytest.raises(TraceError):
        recover(dead)

    assert dead.read_bytes().endswith(line(8))


# --- the command ---------------------------------------------------------------------


@pytest.fixture
def ai_trace(dead, capsys):
    """Run ``ai-trace`` over the session; return status, output and complaints."""

    def run(*words):
        status = main(["--dir", str(dead.parent), *words])
        printed = capsys.readouterr()
        return SimpleNamespace(status=status, out=printed.out, err=printed.err)

    return run


def test_the_command_says_what_it_did(ai_trace, dead):
    """``recover`` names the steps that it recovered, and a second time that none is."""
    first, second = ai_trace("recover"), ai_trace("recover")

    assert (0, "", 0, "") == (first.status, first.err, second.status, second.err)
    assert (
        f"3 steps of {dead} recovered as unfinished: market_scan, order, fetch.\n"
        == (first.out)
    )
    assert f"There is nothing to recover in {dead}: no step is open.\n" == second.out


def test_the_command_for_machines(ai_trace, dead):
    """``recover --json`` is one object with the same facts."""
    done = json.loads(ai_trace("recover", STEM, "--json").out)

    assert str(dead) == done["path"]
    assert ["market_scan", "order", "fetch"] == [step["name"] for step in done["steps"]]
    assert 3 == len(done["removed"])
    assert 0 == done["damaged"]


def test_the_command_refuses_a_living_session(ai_trace, dead):
    """``recover`` of a living session ends with status 1 and names the process."""
    with held(dead.with_suffix(".open")):
        done = ai_trace("recover")

    assert (1, "") == (done.status, done.out)
    assert "Process 7 on here is still writing" in done.err


def test_the_command_says_what_is_lost(ai_trace, dead):
    """``recover`` complains of lines of the journal that could not be read."""
    with dead.with_suffix(".open").open("ab") as file:
        file.write(b"hello\n")
    done = ai_trace("recover")

    assert 0 == done.status
    assert "ai-trace: 1 damaged line of the journal is lost.\n" == done.err


def test_hostile_names_stay_in_their_place(ai_trace, dead):
    """Names of steps and of machines move no terminal, and fill none."""
    evil = "\x1b]0;pwned\x07\r\n\x9b2J\u202e" + "x" * 10_000
    lines = [start(n, name=evil) for n in range(50)]
    journal = write_journal(dead.parent, header_line(host=evil), *lines)
    with held(journal):
        refused = ai_trace("recover")
    done = ai_trace("recover")

    for text in (refused.err, done.out):
        assert text[:-1].isprintable()
        assert text.endswith("\n")
    assert len(done.out) < 10_000
    assert len(refused.err) < 1_000


def test_the_command_removes_what_is_left_behind(ai_trace, dead):
    """``recover`` says so when a journal was there and nothing was open."""
    with dead.open("ab") as file:
        file.write(line(1) + line(2) + line(5))
    done = ai_trace("recover")

    assert f"No step of {dead} was open; its journal was removed.\n" == done.out


def test_each_process_that_died_is_still_known(dead):
    """For each process, the recovered lines say who died, where and when."""
    before = [
        (writer.pid, writer.host, writer.heard_at, writer.inside)
        for writer in reading.read(dead).writers
    ]
    recover(dead)
    session = reading.read(dead)

    assert [] == session.writers
    assert 2 == len(before)
    assert before == [tuple(death)[:4] for death in deaths(session)]


@pytest.mark.parametrize("heard_at", ["soon", None, True, [], 10**400])
def test_a_hostile_note_tells_no_time(tmp_path, heard_at):
    """The time of a death is a time or unknown, whatever a file says."""
    note = {"note": "recovered", "heard_at": heard_at}
    path = write(tmp_path, first_line(1, outcome="unfinished", notes=[note]))
    (death,) = deaths(reading.read(path))

    assert (7, 0.0) == (death.pid, death.heard_at)


def test_what_was_left_open_is_no_death(tmp_path):
    """Steps that were open when their session was closed tell of no dead process."""
    path = write(tmp_path, first_line(1, outcome="unfinished"))

    assert [] == deaths(reading.read(path))
