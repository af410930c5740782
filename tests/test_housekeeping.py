"""
Sessions that go, and sessions that get smaller: which ones, and nothing else.
"""

from __future__ import annotations

import errno
import gzip
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cli_runs import COMMAND, environment, run, run_alone

from ai_trace import TraceError, Tracer, housekeeping, reading
from ai_trace.housekeeping import compress, compressible, delete, prunable, survey
from ai_trace.sinks import _system
from ai_trace.testing import SetClock


DAY = 86_400.0
NOW = 1_709_303_422.0


def record(directory: Path, days_ago: float, *, steps: int = 3) -> Path:
    """Write a session that ended so many days ago; return its trace."""
    at = time.time() - days_ago * DAY
    tracer = Tracer("bot", directory, clock=SetClock(at))
    with tracer:
        for n in range(steps):
            with tracer.step("scan", n=n, text="the market is quiet " * 20):
                pass
    assert tracer.path is not None
    os.utime(tracer.path, (at, at))
    return tracer.path


def stems(directory: Path) -> list[str]:
    """Return the sessions of a directory, newest first."""
    return [session.stem for session in survey(directory)]


@pytest.fixture
def five(tmp_path: Path) -> list[Path]:
    """Write sessions of 0, 10, 20, 30 and 40 days ago."""
    return [record(tmp_path, days) for days in (0, 10, 20, 30, 40)]


class TestWhichOnes:
    """The rules by which sessions are chosen."""

    def chosen(self, directory: Path, **rules: Any) -> list[str]:
        """Return the names of the traces that are to go, newest first."""
        return [held.stem for held, _ in prunable(survey(directory), **rules)][::-1]

    def test_many_of_one_second(self, tmp_path: Path) -> None:
        """The tenth session of a second is newer than the second one."""
        for _ in range(11):
            with Tracer("bot", tmp_path, clock=SetClock(NOW)):
                pass

        newest = [stem.split("_", 3)[3] for stem in stems(tmp_path)[:-1]]
        assert [str(number) for number in range(11, 1, -1)] == newest

    def test_old_ones(self, tmp_path: Path, five: list[Path]) -> None:
        """Who was last written before the moment goes."""
        before = time.time() - 25 * DAY
        expected = [path.stem for path in five[3:]]

        assert expected == self.chosen(tmp_path, before=before)

    def test_all_but_the_newest(self, tmp_path: Path, five: list[Path]) -> None:
        """With nothing else asked, only the newest are kept."""
        expected = [path.stem for path in five[2:]]

        assert expected == self.chosen(tmp_path, keep_last=2)

    def test_the_newest_are_kept_in_any_case(
        self, tmp_path: Path, five: list[Path]
    ) -> None:
        """The newest stay, however old and large they are."""
        rules = {"before": time.time() + DAY, "max_size": 0, "keep_last": 4}

        assert [five[4].stem] == self.chosen(tmp_path, **rules)

    def test_too_large_together(self, tmp_path: Path, five: list[Path]) -> None:
        """The oldest go until what is left fits."""
        size = sum(path.stat().st_size for path in five[:3])
        expected = [path.stem for path in five[3:]]

        assert expected == self.chosen(tmp_path, max_size=size)
        assert five[2].stem in self.chosen(tmp_path, max_size=size - 1)

    def test_all_files_count(self, tmp_path: Path) -> None:
        """A session is all of its files: documents and what children wrote."""
        path = record(tmp_path, 3)
        others = [path.with_suffix(".md"), path.with_name(f"{path.stem}.p7.jsonl")]
        for other in others:
            other.write_text("x" * 100)

        (held,) = survey(tmp_path)
        assert {path, *others} == set(held.files)
        assert path.stat().st_size + 200 == held.size


class TestWhatIsLeftAlone:
    """What is not ours, or still at work."""

    def test_a_living_session(self, tmp_path: Path) -> None:
        """A session that is being written is neither deleted nor compressed."""
        with Tracer("bot", tmp_path) as tracer:
            with tracer.step("scan"):
                (held,) = survey(tmp_path)
                assert held.is_being_written()
                for act in (delete, compress):
                    with pytest.raises(TraceError, match="being written"):
                        act(held)
        assert tracer.path is not None
        assert 1 == len(tracer.path.read_bytes().splitlines())

    @pytest.mark.parametrize("journal", [True, False])
    def test_an_idle_session(self, tmp_path: Path, journal: bool) -> None:
        """A tracer that has written nothing so far holds its file all the same."""
        tracer = Tracer("bot", tmp_path, journal=journal)
        (held,) = survey(tmp_path)

        assert held.is_being_written()
        tracer.close()
        assert not held.is_being_written()

    @pytest.mark.parametrize("journal", [True, False])
    def test_a_living_session_with_a_copy(self, tmp_path: Path, journal: bool) -> None:
        """A compressed copy beside what is being written does not hide that it is."""
        with Tracer("bot", tmp_path, journal=journal) as tracer:
            with tracer.step("scan"):
                pass
            assert tracer.path is not None
            before = tracer.path.read_bytes()
            copy = tracer.path.with_name(f"{tracer.path.name}.gz")
            copy.write_bytes(gzip.compress(before))
            (held,) = survey(tmp_path)
            for act in (delete, compress):
                with pytest.raises(TraceError, match="being written"):
                    act(held)
            assert before == tracer.path.read_bytes()

    def test_a_part_that_began_meanwhile(self, tmp_path: Path) -> None:
        """A session that has got another part since is left alone."""
        path = record(tmp_path, 3)
        (held,) = survey(tmp_path)
        path.with_name(f"{path.stem}.part2.jsonl").write_bytes(path.read_bytes())

        for act in (delete, compress):
            with pytest.raises(TraceError, match="being written"):
                act(held)
        assert path.exists()

    def test_what_goes_meanwhile(
        self, tmp_path: Path, five: list[Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What somebody else deletes during the look is not there; the rest is."""
        scan = os.scandir

        @contextmanager
        def scan_and_delete(directory: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
            with scan(directory) as entries:
                yield entries
            five[2].unlink()

        with monkeypatch.context() as patched:
            patched.setattr(os, "scandir", scan_and_delete)
            found = survey(tmp_path)

        assert [path.stem for path in five if path != five[2]] == [
            session.stem for session in found
        ]

    def test_what_is_gone_is_not_being_written(self, tmp_path: Path) -> None:
        """Of a session that went a moment ago it is not said that it is written."""
        path = record(tmp_path, 3)
        (held,) = survey(tmp_path)
        path.unlink()

        with pytest.raises(TraceError, match="changed a moment ago"):
            delete(held)

    def test_what_may_not_be_opened(self, tmp_path: Path) -> None:
        """A session that cannot be opened is left alone, and why is said."""
        path = record(tmp_path, 3)
        (held,) = survey(tmp_path)
        path.rename(tmp_path / "moved")
        path.symlink_to("moved")

        assert held.is_being_written()
        for act in (delete, compress):
            with pytest.raises(TraceError, match="cannot be opened") as told:
                act(held)
            assert str(told.value).startswith(path.stem)
            assert "being written" not in str(told.value)
        assert path.is_symlink()

    @pytest.mark.parametrize("name", ["notes.txt", "data.jsonl", "README.md", "src"])
    def test_a_directory_of_others(
        self, tmp_path: Path, five: list[Path], name: str
    ) -> None:
        """Where there is anything but traces, nothing is touched, and it is named."""
        other = tmp_path / name
        other.mkdir() if name == "src" else other.write_text("mine")

        with pytest.raises(TraceError, match=name.replace(".", r"\.")):
            survey(tmp_path)

    def test_a_link(self, tmp_path: Path, five: list[Path]) -> None:
        """A link is not followed, whatever its name says."""
        (tmp_path / "bot_20240301_143022.jsonl").symlink_to(five[0])

        with pytest.raises(TraceError, match="bot_20240301_143022"):
            survey(tmp_path)

    def test_hidden_files(self, tmp_path: Path, five: list[Path]) -> None:
        """Hidden files may lie there, and stay."""
        (tmp_path / ".gitignore").write_text("*")

        assert 5 == len(survey(tmp_path))

    def test_what_a_process_died_in(self, tmp_path: Path) -> None:
        """A session with a journal is not compressed before it is recovered."""
        path = record(tmp_path, 3)
        path.with_suffix(".open").write_text("{}\n")

        assert [] == list(compressible(survey(tmp_path)))


class TestCompress:
    """Smaller files that read the same."""

    def test_reads_the_same(self, tmp_path: Path) -> None:
        """The steps are the same, byte for byte, and the file is smaller."""
        path = record(tmp_path, 3, steps=200)
        before = [step.line for step in reading.read(path).steps]
        stat = path.stat()

        (held,) = survey(tmp_path)
        saved = compress(held)

        (info,) = reading.find(tmp_path)
        assert f"{path.name}.gz" == info.path.name
        assert before == [step.line for step in reading.read(info).steps]
        assert stat.st_size - info.size == saved
        assert 0.2 * stat.st_size > info.size
        assert stat.st_mtime_ns == info.path.stat().st_mtime_ns
        assert 0o600 == info.path.stat().st_mode & 0o777
        assert [info.path] == list(tmp_path.iterdir())

    def test_an_interrupted_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever interrupts it leaves the original, and nothing else."""
        path = record(tmp_path, 3)
        before = path.read_bytes()
        (held,) = survey(tmp_path)

        for name in ("_pack", "_check"):
            with monkeypatch.context() as patched:
                patched.setattr(housekeeping, name, interrupt)
                with pytest.raises(KeyboardInterrupt):
                    compress(held)
            assert [path] == list(tmp_path.iterdir())
            assert before == path.read_bytes()

    @pytest.mark.parametrize("steps", [3, 2_000])
    def test_readers_meanwhile(self, tmp_path: Path, steps: int) -> None:
        """What was found, or read, before it was compressed reads the same after."""
        record(tmp_path, 3, steps=steps)
        (info,) = reading.find(tmp_path)
        before = reading.read(info)
        assert steps == len(before.steps)

        compress(survey(tmp_path)[0])

        after = reading.read(info)
        assert not after.problems
        assert [step.line for step in before.steps] == [s.line for s in after.steps]
        assert steps == sum(1 for _ in reading.records(info))
        assert after.steps[-1] == reading.tail(info, 1)[0]

    def test_who_may_read_it(self, tmp_path: Path) -> None:
        """The compressed file is its owner's, whoever compresses it, with its mode."""
        path = record(tmp_path, 3)
        path.chmod(0o640)
        owner = 65534 if os.geteuid() == 0 else os.geteuid()
        os.chown(path, owner, -1)

        compress(survey(tmp_path)[0])

        status = path.with_name(f"{path.name}.gz").stat()
        assert (0o640, owner) == (status.st_mode & 0o777, status.st_uid)

    def test_what_would_not_be_read(self, tmp_path: Path) -> None:
        """A file of which a reader would not unpack all is left as it is."""
        path = record(tmp_path, 3)
        with path.open("ab") as file:
            file.write(b"tick\n" * 200_000)
        before = path.read_bytes()

        with pytest.raises(TraceError, match="does not read back the same"):
            compress(survey(tmp_path)[0])

        assert [path.name] == os.listdir(tmp_path)
        assert before == path.read_bytes()

    def test_who_may_not_give_it_away(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where the compressed file cannot be its owner's, that is said, and why."""
        path = record(tmp_path, 3)

        def refuse(*_: int) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "fchown", refuse)
        status = path.stat()
        said = f"owner and group ({status.st_uid} and {status.st_gid}); root may. The o"
        with pytest.raises(TraceError, match=re.escape(said)):
            compress(survey(tmp_path)[0])

        assert [path.name] == os.listdir(tmp_path)

    def test_killed_between_name_and_removal(self, tmp_path: Path) -> None:
        """Where both files are there, the session is one, and is finished later."""
        path = record(tmp_path, 3)
        before = path.read_bytes()
        compress(survey(tmp_path)[0])
        path.write_bytes(before)

        assert [3] == [len(reading.read(info).steps) for info in reading.find(tmp_path)]
        compress(survey(tmp_path)[0])
        assert [f"{path.name}.gz"] == os.listdir(tmp_path)

    def test_another_compressed_file(self, tmp_path: Path) -> None:
        """A compressed file of that name that holds something else stays as it is."""
        path = record(tmp_path, 3)
        packed = path.with_name(f"{path.name}.gz")
        for other in (gzip.compress(b"{}\n"), b"", gzip.compress(b"{}\n")[:-3], b"x"):
            packed.write_bytes(other)
            before = path.read_bytes()
            with pytest.raises(TraceError, match="holds something else"):
                compress(survey(tmp_path)[0])
            assert (before, other) == (path.read_bytes(), packed.read_bytes())

    def test_the_id_of_a_compressed_session_is_taken(self, tmp_path: Path) -> None:
        """A session that begins in the second of a compressed one has another id."""
        for suffix in (".gz", ".zst"):
            directory = tmp_path / suffix
            with Tracer("bot", directory, clock=SetClock(NOW)) as tracer:
                pass
            assert tracer.path is not None
            tracer.path.rename(f"{tracer.path}{suffix}")
            with Tracer("bot", directory, clock=SetClock(NOW)) as again:
                pass
            assert again.path is not None
            assert f"{tracer.path.stem}_2" == again.path.stem

    def test_a_damaged_copy(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A compressed file that does not read back is not kept."""
        path = record(tmp_path, 3)
        monkeypatch.setattr(housekeeping, "_pack", pack_half)

        with pytest.raises(TraceError, match="left as it was"):
            compress(survey(tmp_path)[0])
        assert [path] == list(tmp_path.iterdir())


def interrupt(*_: Any) -> None:
    """Stand for work in which Ctrl-C comes."""
    raise KeyboardInterrupt


def pack_half(source: Path, target: Path) -> None:
    """Stand for a disk that keeps something else than it was given."""
    target.write_bytes(gzip.compress(source.read_bytes()[:-10]))


def answered(cwd: Path, answer: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command for somebody who types an answer at a terminal."""
    master, terminal = os.openpty()
    os.write(master, answer.encode())
    done = subprocess.run(
        [*COMMAND, *words],
        cwd=cwd,
        env=environment(),
        stdin=terminal,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    os.close(terminal)
    os.close(master)
    return done


KEEP_ONE = ("prune", "--keep-last", "1", "--yes")


class TestVerbs:
    """``prune`` and ``compress`` as they are typed."""

    def test_dry_run(self, tmp_path: Path, five: list[Path]) -> None:
        """A dry run names what would go, and deletes nothing."""
        done = run(
            "prune", "--older-than", "25d", "--dry-run", "--dir", ".", cwd=tmp_path
        )

        assert 0 == done.returncode
        assert "2 sessions in . would be deleted" in done.stdout
        assert all(path.stem in done.stdout for path in five[3:])
        assert 5 == len(stems(tmp_path))

    def test_prune(self, tmp_path: Path, five: list[Path]) -> None:
        """It says first what will go, and then that it went."""
        done = run("prune", "--keep-last", "3", "--yes", "--dir", ".", cwd=tmp_path)

        said = done.stdout.splitlines()
        assert said[0].startswith("2 sessions in . will be deleted")
        assert said[-1].startswith("2 sessions deleted")
        assert [path.stem for path in five[:3]] == stems(tmp_path)

    def test_for_machines(self, tmp_path: Path, five: list[Path]) -> None:
        """With --json, one object says what went."""
        words = ("prune", "--max-size", "0", "--keep-last", "4", "--yes", "--json")
        done = run(*words, "--dir", ".", cwd=tmp_path)

        said = json.loads(done.stdout)
        assert [five[4].stem] == said["deleted"]
        assert said["bytes"] > 0

    def test_what_is_kept_is_too_large(self, tmp_path: Path, five: list[Path]) -> None:
        """It is said where --keep-last leaves more than --max-size asks for."""
        words = ("prune", "--max-size", "1B", "--yes", "--dir", ".")

        kept = run(*words, "--keep-last", "4", cwd=tmp_path)
        none = run(*words, cwd=tmp_path)

        assert "more than --max-size 1 B" in kept.stderr
        assert ("", 0) == (none.stderr, none.returncode)

    @pytest.mark.parametrize(
        ("answer", "status", "left"), [("n\n", 1, 5), ("\n", 1, 5), ("y\n", 0, 3)]
    )
    def test_who_types_is_asked(
        self, tmp_path: Path, five: list[Path], answer: str, status: int, left: int
    ) -> None:
        """Nothing goes without a yes from the terminal, even if the list is piped."""
        words = ("prune", "--keep-last", "3", "--dir", ".")
        done = answered(tmp_path, answer, *words)

        assert (status, "ai-trace: Delete them? [y/N]\n") == (
            done.returncode,
            done.stderr,
        )
        assert five[4].stem in done.stdout
        assert left == len(stems(tmp_path))

    @pytest.mark.parametrize("words", [(), ("--json",)])
    def test_where_nobody_can_be_asked(
        self, tmp_path: Path, five: list[Path], words: tuple[str, ...]
    ) -> None:
        """Without a terminal to ask at, nothing goes unless --yes says so."""
        command = ("prune", "--keep-last", "3", "--dir", ".", *words)
        done = run_alone(*command, cwd=tmp_path)

        assert (2, "") == (done.returncode, done.stdout)
        assert "nothing was deleted: --yes deletes without asking" in done.stderr
        assert 5 == len(stems(tmp_path))
        assert 0 == run_alone(*command, "--yes", cwd=tmp_path).returncode
        assert [path.stem for path in five[:3]] == stems(tmp_path)

    def test_no_question_among_objects(self, tmp_path: Path, five: list[Path]) -> None:
        """With --json nobody is asked, at a terminal either: --yes has to say it."""
        words = ("prune", "--keep-last", "3", "--json", "--dir", ".")
        done = answered(tmp_path, "y\n", *words)

        assert (2, "", 5) == (done.returncode, done.stdout, len(stems(tmp_path)))

    def test_without_a_rule(self, tmp_path: Path) -> None:
        """Without a rule nothing goes: it is a mistake."""
        done = run("prune", "--dir", ".", cwd=tmp_path)

        assert 2 == done.returncode
        assert "--older-than 30d" in done.stderr

    @pytest.mark.parametrize("size", ["much", "-1", "5 XB", "1e9", "5", "0.5"])
    def test_no_size(self, tmp_path: Path, size: str) -> None:
        """What is no size is refused, with the forms that are."""
        done = run("prune", f"--max-size={size}", "--dir", ".", cwd=tmp_path)

        assert 2 == done.returncode
        assert "5GB" in done.stderr

    @pytest.mark.parametrize("when", ["0001-01-01", "9999-12-31T23:59:59-23:00"])
    def test_no_moment(self, tmp_path: Path, when: str) -> None:
        """A time beyond those that a clock can show is refused in words, or taken."""
        zone = environment(TZ="Europe/Berlin")
        words = ("prune", "--older-than", when, "--dry-run", "--dir", ".")
        done = run(*words, cwd=tmp_path, env=zone)

        if done.returncode:
            assert 2 == done.returncode
            assert f"{when!r} is not a point in time: write" in done.stderr

    def test_a_living_session_is_named(self, tmp_path: Path) -> None:
        """A session that is being written is named and stays; the others go."""
        record(tmp_path, 40)
        with Tracer("bot", tmp_path) as tracer:
            words = ("prune", "--older-than", "0s", "--yes", "--dir", ".")
            done = run(*words, cwd=tmp_path)

        assert tracer.path is not None
        assert 1 == done.returncode
        assert f"{tracer.path.stem} is being written" in done.stderr
        assert [tracer.path.stem] == stems(tmp_path)

    def test_a_dry_run_knows_of_living_sessions(self, tmp_path: Path) -> None:
        """A dry run names a session that is being written as one that would stay."""
        old = record(tmp_path, 40)
        with Tracer("bot", tmp_path) as tracer:
            words = ("prune", "--older-than", "0s", "--dry-run", "--dir", ".")
            done = run(*words, cwd=tmp_path)

        assert tracer.path is not None
        assert f"{tracer.path.stem} is being written; it would stay" in done.stderr
        assert "1 session in . would be deleted" in done.stdout
        assert old.stem in done.stdout
        assert tracer.path.stem not in done.stdout

    def test_a_dry_run_of_compress_knows_of_them_too(self, tmp_path: Path) -> None:
        """So it is with what would be compressed."""
        old = record(tmp_path, 40)
        with Tracer("bot", tmp_path, journal=False) as tracer:
            done = run("compress", "--dry-run", "--dir", ".", cwd=tmp_path)
            words = ("compress", "--dry-run", "--json", "--dir", ".")
            chosen = json.loads(run(*words, cwd=tmp_path).stdout)["compressed"]

        assert tracer.path is not None
        assert f"{tracer.path.stem} is being written; it would stay" in done.stderr
        assert "1 session of " in done.stdout
        assert [old.stem] == chosen

    def test_what_has_a_journal_is_named_by_a_dry_run(self, tmp_path: Path) -> None:
        """A dry run names who is being written or died; a real run passes over them."""
        old, dead, new = record(tmp_path, 40), record(tmp_path, 30), record(tmp_path, 1)
        journals = [path.with_suffix(".open") for path in (dead, new)]
        for path in journals:
            path.write_text("{}\n")
        long_ago = time.time() - 30 * DAY
        os.utime(journals[0], (long_ago, long_ago))
        with Tracer("bot", tmp_path) as tracer:
            assert tracer.path is not None
            everything = run("compress", "--dry-run", "--dir", ".", cwd=tmp_path)
            words = ("compress", "--older-than", "2d", "--dir", ".")
            would = run(*words, "--dry-run", cwd=tmp_path)
            done = run(*words, cwd=tmp_path)

        living = f"{tracer.path.stem} is being written; it would stay."
        died = "has the journal of a process that died: recover it first"
        assert living in everything.stderr
        assert f"{new.stem} {died}" in everything.stderr
        assert f"ai-trace: {dead.stem} {died}; it would stay.\n" == would.stderr
        assert "1 session of " in would.stdout
        assert (0, "", 0) == (done.returncode, done.stderr, would.returncode)
        assert old.with_suffix(".jsonl.gz").exists()
        assert dead.exists()

    def test_compress(self, tmp_path: Path, five: list[Path]) -> None:
        """What nobody wrote to since is compressed; the rest stays as it is."""
        done = run("compress", "--older-than", "15d", "--dir", ".", cwd=tmp_path)

        assert 0 == done.returncode
        assert "3 sessions compressed" in done.stdout
        names = sorted(os.listdir(tmp_path))
        packed = [f"{path.name}.gz" for path in five[2:]]
        assert sorted([*packed, *(path.name for path in five[:2])]) == names

    @pytest.mark.parametrize(
        "verb", [("prune", "--keep-last", "1", "--yes"), ("compress",)]
    )
    def test_what_a_killed_one_left(self, tmp_path: Path, verb: Any) -> None:
        """An old file that was never finished goes, which is said; a new one stays."""
        old, new = (tmp_path / f".ai_trace-{name}.tmp" for name in ("old", "new"))
        for path in (old, new):
            path.write_bytes(b"x" * 2_000)
        os.utime(old, (NOW, NOW))

        would = run(*verb, "--dry-run", "--dir", ".", cwd=tmp_path)
        assert "1 file that was never finished would be removed, 2.0 kB" in would.stdout
        assert {old, new} == set(tmp_path.iterdir())

        done = run(*verb, "--dir", ".", cwd=tmp_path)
        assert 0 == done.returncode
        assert "1 file that was never finished removed, 2.0 kB" in done.stdout
        assert [new] == list(tmp_path.iterdir())

        again = run(*verb, "--dir", ".", cwd=tmp_path)
        assert "finished" not in again.stdout

    @pytest.mark.parametrize(
        "verb", [("prune", "--keep-last", "1", "--yes"), ("compress",)]
    )
    def test_what_a_killed_one_left_for_machines(
        self, tmp_path: Path, verb: Any
    ) -> None:
        """With --json it is named in the object."""
        left = tmp_path / ".ai_trace-old.tmp"
        left.touch()
        os.utime(left, (NOW, NOW))

        for more in (("--dry-run",), ()):
            done = run(*verb, "--json", *more, "--dir", ".", cwd=tmp_path)
            assert [left.name] == json.loads(done.stdout)["unfinished_files"]
        assert not left.exists()

    def test_a_file_in_the_making_is_never_old(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However old a session is, nobody sweeps away what it is compressed into."""
        path = record(tmp_path, 3)
        replace = _system.replace

        def sweep_first(temporary: Path, target: Path) -> None:
            run("compress", "--older-than", "30d", "--dir", ".", cwd=tmp_path)
            replace(temporary, target)

        monkeypatch.setattr(_system, "replace", sweep_first)
        compress(survey(tmp_path)[0])

        assert [f"{path.name}.gz"] == os.listdir(tmp_path)

    def test_nothing_to_do(self, tmp_path: Path) -> None:
        """Where there is nothing to do, that is said."""
        assert "no session" in run("compress", "--dir", ".", cwd=tmp_path).stdout

    def test_a_directory_of_others(self, tmp_path: Path, five: list[Path]) -> None:
        """A directory that holds anything else is refused in one line."""
        (tmp_path / "thesis.docx").write_text("mine")
        done = run("prune", "--keep-last", "1", "--yes", "--dir", ".", cwd=tmp_path)

        assert 1 == done.returncode
        assert "thesis.docx" in done.stderr
        assert 1 == done.stderr.count("\n")
        assert all(path.exists() for path in five)
