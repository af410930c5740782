"""
The command ``ai-trace``: its words, its exit statuses, and what each verb prints.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any

import pytest
from cli_runs import (
    STARTED,
    environment,
    header,
    line,
    run,
    run_alone,
    step,
    trading_steps,
    write_session,
)

import ai_trace
from ai_trace import reading
from ai_trace.cli import main


VERBS = ("list", "view", "tail", "stats", "report", "demo", "completion")
SESSION_ID = "20240301_143022"
STEM = f"trading_agent_{SESSION_ID}"


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    """A trace directory with one session of one decision."""
    write_session(tmp_path / "traces", "trading_agent", SESSION_ID, trading_steps())
    return tmp_path


@pytest.fixture
def two_sessions(traces: Path) -> Path:
    """The same, and a session of another agent an hour later."""
    write_session(
        traces / "traces",
        "researcher",
        "20240301_153022",
        [step("search", 1, started_at=STARTED + 3600, kind="tool")],
        started_at=STARTED + 3600,
    )
    return traces


class TestWords:
    """The command line itself."""

    def test_version(self, tmp_path: Path) -> None:
        """--version prints the name and the version of the package."""
        from ai_trace import __version__

        done = run_alone("--version", cwd=tmp_path)

        assert (0, f"ai-trace {__version__}\n", "") == (
            done.returncode,
            done.stdout,
            done.stderr,
        )

    def test_help_names_every_verb(self, tmp_path: Path) -> None:
        """--help fits 80 columns, and shows all verbs and --dir before a verb."""
        done = run("--help", cwd=tmp_path)

        assert 0 == done.returncode
        assert [] == [verb for verb in VERBS if f"\n  {verb} " not in done.stdout]
        assert "ai-trace --dir /var/log/agent/traces list" in done.stdout
        assert [] == [text for text in done.stdout.split("\n") if len(text) > 80]

    @pytest.mark.parametrize("verb", VERBS)
    def test_help_of_a_verb_teaches(self, tmp_path: Path, verb: str) -> None:
        """The help of each verb ends with examples and fits 80 columns."""
        done = run(verb, "--help", cwd=tmp_path)

        assert 0 == done.returncode
        assert f"examples:\n  ai-trace {verb}" in done.stdout
        assert "--dir DIR" in done.stdout
        assert [] == [text for text in done.stdout.split("\n") if len(text) > 80]

    def test_without_a_verb(self, tmp_path: Path) -> None:
        """Without a verb the help goes to standard error, with status 2."""
        done = run(cwd=tmp_path)

        assert (2, "") == (done.returncode, done.stdout)
        assert "usage: ai-trace" in done.stderr

    @pytest.mark.parametrize(
        ("words", "hint"),
        [
            (["lits"], "Did you mean 'list'?"),
            (["veiw"], "Did you mean 'view'?"),
            (["stat"], "Did you mean 'stats'?"),
            (["view", "--erors"], "Did you mean '--errors'?"),
            (["--dri", "list"], "Did you mean '--dir'?"),
            (["frobnicate"], "There is no verb 'frobnicate'."),
            (["frobnicate"], "The verbs are list, view, tail,"),
            (["-x"], "There is no option '-x' here. The options of a verb come after"),
            (["--errors"], "There is no option '--errors' here. The options of a"),
            (["--dir", "traces"], "There is no verb: name one, such as list."),
            (["--json", "list"], "There is no option '--json' here. The options of"),
            (["list", "--ful"], "There is no option '--ful' here. See"),
            (["view", "-full"], "Did you mean '--full'?"),
            (["list", "-n", "few"], "'few' is not a whole number"),
            (["list", "-n", "0"], "'0' is not a whole number of 1 or more"),
            (["tail", "-n", "-3"], "'-3' is not a whole number"),
            (["stats", "--since", "soon"], "'soon' is not a point in time"),
            (["list", "--since", "20241301_143022_2"], "is not a point in time"),
            (["view", "one", "two"], "There is one word too many: 'two'. See"),
            (["list", "trading_agent"], "Did you mean '--agent trading_agent'?"),
            (["stats", "--untl", "2h"], "Did you mean '--until'?"),
            (["tail", "--outcom", "ok"], "Did you mean '--outcome'?"),
            (["list", "--since", "1h", "--until", "2h"], "--until has to be later"),
            (["view", "--since", "1h", "--until", "2h"], "--until has to be later"),
            (["view", "--outcome", "canceled"], "choose from"),
            (["tail", "-f", "--no-follow"], "not allowed with"),
            (["view", "--", "bot", "--dir", "t2"], "too many: '--dir'. Behind '--'"),
            (["list", "--", "bot"], "Did you mean '--agent bot'?"),
            (["view", "--depth"], "expected one argument"),
            (["view", "--grep", "-dash"], "with '-' is written --grep=-..."),
            (["prune", "--max-size", "-5MB"], "is written --max-size=-..."),
            (["report", "-o", "-x.md"], "is written --output=-..."),
            (["--dir", "-x", "list"], "is written --dir=-..."),
            (["--dir", "", "list"], "Argument --dir: an empty word"),
            (["list", "--dir="], "Argument --dir: an empty word"),
            (["list", "--agent", ""], "Argument --agent: an empty word"),
            (["view", ""], "Argument SESSION: an empty word"),
            (["view", "--step", ""], "Argument --step: an empty word"),
            (["report", "-o", ""], "Argument -o/--output: an empty word"),
            (["recover", ""], "Argument SESSION: an empty word"),
            (["stats", "latest", ""], "Argument SESSION: an empty word"),
        ],
    )
    def test_mistyped(self, traces: Path, words: list[str], hint: str) -> None:
        """A wrong word is named on one line, with what was meant, and status 2."""
        done = run(*words, cwd=traces)

        assert (2, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
        assert done.stderr.startswith("ai-trace: ")
        assert hint in done.stderr

    def test_a_frozen_program_has_every_verb(self, tmp_path: Path) -> None:
        """What freezes a program finds the verbs by the imports in the code."""
        finder = ModuleFinder([str(Path(ai_trace.__file__).parent.parent)])
        finder.import_hook("ai_trace.cli._main")
        listed = run("--help", cwd=tmp_path).stdout.partition("\nverbs:\n")[2]
        verbs = re.findall(r"^  (\w+) ", listed.partition("\n\n")[0], re.MULTILINE)

        assert set(VERBS) <= set(verbs)
        assert [] == [v for v in verbs if f"ai_trace.cli._{v}" not in finder.modules]

    def test_a_verb_is_loaded_when_it_is_called(self, tmp_path: Path) -> None:
        """--help loads no verb, and a verb loads no other."""
        code = (
            "import sys; from ai_trace.cli import main;"
            "status = main(sys.argv[1:]);"
            "print(status, *sorted(n for n in sys.modules if '.cli._' in n))"
        )
        loaded = {}
        for word in ("--help", "list"):
            done = subprocess.run(
                [sys.executable, "-c", code, word],
                cwd=tmp_path,
                env=environment(),
                capture_output=True,
                encoding="utf-8",
                check=True,
            )
            loaded[word] = done.stdout.splitlines()[-1].split()

        shared = ["_arguments", "_main", "_terminal", "_words"]
        assert ["0", *(f"ai_trace.cli.{name}" for name in shared)] == loaded["--help"]
        assert "1" == loaded["list"][0]
        assert {"ai_trace.cli._list"} == {
            name for name in loaded["list"] if name.rpartition("._")[2] in VERBS
        }

    def test_a_file_in_place_of_a_verb(self, traces: Path) -> None:
        """A file that stands where a verb belongs leads to ``view``."""
        name = f"traces/trading_agent_{SESSION_ID}.jsonl"
        done = run(name, cwd=traces)

        assert 2 == done.returncode
        assert f"Did you mean 'ai-trace view {name}'?" in done.stderr

    def test_a_directory_in_place_of_a_verb(self, traces: Path) -> None:
        """A directory that stands where a verb belongs is one for ``--dir``."""
        done = run("traces", cwd=traces)

        assert 2 == done.returncode
        assert "Did you mean 'ai-trace --dir traces list'?" in done.stderr

    @pytest.mark.parametrize(
        "words",
        [
            ["{}"],
            ["view", "{}"],
            ["view", "--step", "{}"],
            ["view", "--{}"],
            ["list", "-n", "{}"],
            ["list", "--agent", "{}"],
            ["--dir", "{}", "list"],
            ["report", "-o", "{}/page.md"],
        ],
    )
    def test_words_cannot_move_the_terminal(
        self, traces: Path, words: list[str]
    ) -> None:
        """What the command line holds is escaped where a message repeats it."""
        done = run(*(word.format("\x1b[2J") for word in words), cwd=traces)

        assert done.returncode in (1, 2)
        assert "\x1b" not in done.stderr
        assert "x1b[2J" in done.stderr


class TestMain:
    """``ai_trace.cli.main``, called from Python."""

    def test_returns_the_status(
        self,
        traces: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """It takes the words, prints, and returns the exit status whatever happens."""
        monkeypatch.chdir(traces)

        assert 0 == main(["list"])
        assert SESSION_ID in capsys.readouterr().out
        assert 0 == main(["--help"])
        assert 0 == main(["list", "--help"])
        assert 1 == main(["view", "nobody"])
        assert 2 == main(["lits"])
        assert 2 == main([])

    @pytest.mark.parametrize(
        "words",
        [["--help"], ["list"], ["view", "--errors"], ["view", "nobody"], ["lits"]],
        ids=" ".join,
    )
    def test_is_what_the_command_does(self, traces: Path, words: list[str]) -> None:
        """The command in a process of its own prints and returns the same."""
        here = run(*words, cwd=traces)
        alone = run_alone(*words, cwd=traces)

        assert alone.returncode == here.returncode
        assert (alone.stdout, alone.stderr) == (here.stdout, here.stderr)


class TestDirectory:
    """Where the traces are looked for."""

    @pytest.mark.parametrize(
        ("words", "setting"),
        [
            (["list"], "here"),
            (["--dir", "here", "list"], None),
            (["list", "--dir", "here"], None),
            (["--dir=here", "list"], None),
            (["list", "--dir", "here"], "elsewhere"),
            (["--dir", "elsewhere", "list", "--dir", "here"], None),
        ],
    )
    def test_dir(self, tmp_path: Path, words: list[str], setting: str | None) -> None:
        """--dir stands before or after the verb, the later wins over all else."""
        write_session(tmp_path / "here", "trading_agent", SESSION_ID, trading_steps())
        env = environment(**({"AI_TRACE_DIR": setting} if setting else {}))
        done = run(*words, cwd=tmp_path, env=env)

        assert (0, "") == (done.returncode, done.stderr)
        assert SESSION_ID in done.stdout

    @pytest.mark.parametrize("verb", ["list", "view", "stats", "report"])
    def test_nothing_there(self, tmp_path: Path, verb: str) -> None:
        """A directory that is missing or empty is one sentence and status 1."""
        missing = run(verb, cwd=tmp_path)
        (tmp_path / "traces").mkdir()
        empty = run(verb, cwd=tmp_path)

        for done in (missing, empty):
            assert (1, "") == (done.returncode, done.stdout)
            assert 1 == done.stderr.count("\n")
            assert "traces" in done.stderr


class TestList:
    """``ai-trace list``."""

    def test_row(self, traces: Path) -> None:
        """A session's row has its id, agent, start, duration, steps, errors, size."""
        size = (traces / "traces" / f"trading_agent_{SESSION_ID}.jsonl").stat().st_size
        done = run("list", cwd=traces)
        head, row = done.stdout.splitlines()

        assert "SESSION AGENT STARTED TOOK STEPS ERRORS SIZE".split() == head.split()
        assert [
            SESSION_ID,
            "trading_agent",
            "2024-03-01",
            "14:30",
            "5.25",
            "s",
            "5",
            "1",
            f"{size / 1000:.1f}",
            "kB",
        ] == row.split()

    def test_large_figures(self, traces: Path) -> None:
        """Thousands are set off, as they are wherever counts are shown."""
        ends = ["error"] * 1_001 + ["closed"] * 1_002
        steps = [step("a", n, outcome=end) for n, end in enumerate(ends)]
        write_session(traces / "traces", "many", "20240301_153022", steps)
        _, row, _ = run("list", cwd=traces).stdout.splitlines()

        assert " 2,003   1,001 " in row
        assert row.endswith("  1,002 closed")

    def test_endless_agent(self, traces: Path) -> None:
        """The name of one agent does not make the rows of all others endless."""
        endless = "x" * 100_000
        one = [step("a", 1)]
        write_session(traces / "traces", "x", "20240301_153022", one, agent=endless)
        head, row, other = run("list", cwd=traces).stdout.splitlines()

        assert row.split()[1].endswith("xxx…")
        assert len(head) < 2_000
        assert len(row) == len(other)

    def test_old_session(self, tmp_path: Path) -> None:
        """A session without a header took no longer than its steps did."""
        path = tmp_path / f"trading_agent_{SESSION_ID}.jsonl"
        path.write_bytes(
            line(step("b", 0, started_at=STARTED + 0.9, finished_at=STARTED + 0.95))
            + line(step("a", 0, started_at=STARTED + 0.8, finished_at=STARTED + 0.96))
        )
        done = run("list", "--dir", ".", cwd=tmp_path)

        assert ["160", "ms"] == done.stdout.splitlines()[1].split()[4:6]

    def test_newest_first(self, two_sessions: Path) -> None:
        """Sessions are listed from the newest to the oldest."""
        done = run("list", cwd=two_sessions)

        assert ["researcher", "trading_agent"] == [
            row.split()[1] for row in done.stdout.splitlines()[1:]
        ]

    @pytest.mark.parametrize("words", [["-n", "1"], ["--agent", "researcher"]])
    def test_fewer(self, two_sessions: Path, words: list[str]) -> None:
        """-n and --agent leave sessions out."""
        done = run("list", *words, cwd=two_sessions)

        assert ["researcher"] == [
            row.split()[1] for row in done.stdout.splitlines()[1:]
        ]

    @pytest.mark.parametrize("n", ["9" * 19, "9" * 25, "9" * 5_000, "1000"])
    def test_more_than_there_are(self, two_sessions: Path, n: str) -> None:
        """More sessions than there can be are all of them, as are more steps."""
        every = run("list", cwd=two_sessions)
        done = run("list", "-n", n, cwd=two_sessions)
        shown = [
            run(*words, cwd=two_sessions).returncode
            for words in (("tail", "--no-follow", "-n", n), ("view", "--depth", n))
        ]

        assert (0, every.stdout) == (done.returncode, done.stdout)
        assert [0, 0] == shown
        assert 2 == len(reading.find(two_sessions / "traces", limit=10**30))

    def test_mistyped_agent(self, two_sessions: Path) -> None:
        """An agent without sessions is named, with the one that was meant."""
        done = run("list", "--agent", "reseacher", cwd=two_sessions)

        assert (1, "") == (done.returncode, done.stdout)
        assert "Did you mean 'researcher'?" in done.stderr

    def test_json(self, two_sessions: Path) -> None:
        """--json prints one object with the same figures."""
        done = run("list", "--json", cwd=two_sessions)
        newest, oldest = json.loads(done.stdout)["sessions"]
        path = Path("traces", f"trading_agent_{SESSION_ID}.jsonl")

        assert "researcher" == newest["agent"]
        assert {
            "session_id": SESSION_ID,
            "agent": "trading_agent",
            "path": str(path),
            "started_at": STARTED,
            "finished_at": STARTED + 5.25,
            "duration_ms": 5250.0,
            "steps": 5,
            "errors": 1,
            "outcomes": {"ok": 4, "error": 1},
            "size": (two_sessions / path).stat().st_size,
            "problems": 0,
            "readable": True,
            "state": "ended",
        } == oldest

    @pytest.mark.parametrize(
        ("stem", "stated"),
        [
            (STEM, {}),
            (STEM, {"started_at": 0.0}),
            (STEM, {"version": ""}),
            (STEM, None),
            ("renamed", {"started_at": 0.0, "version": ""}),
        ],
    )
    @pytest.mark.parametrize("started_at", [STARTED + 0.5, STARTED + 60, 0.0])
    @pytest.mark.parametrize("finished_at", [STARTED + 61, STARTED - 9, None])
    def test_times_are_those_of_view(
        self,
        tmp_path: Path,
        stem: str,
        stated: dict[str, Any] | None,
        started_at: float,
        finished_at: float | None,
    ) -> None:
        """A session starts, ends and takes as long for list as for all others."""
        path = tmp_path / "traces" / f"{stem}.jsonl"
        path.parent.mkdir()
        one = step("one", 1, started_at=started_at, finished_at=finished_at)
        if stated is not None:
            one["session"] = header("trading_agent", SESSION_ID, **stated)
        path.write_bytes(line(one))
        done = run("list", "--json", cwd=tmp_path)
        (listed,) = json.loads(done.stdout)["sessions"]
        read = reading.read(path)

        assert [read.started_at, read.finished_at, read.duration_ms] == [
            listed[key] for key in ("started_at", "finished_at", "duration_ms")
        ]

    def test_ends_that_are_not_ok(self, two_sessions: Path) -> None:
        """Whatever ended neither well nor in an error is told, where there is any."""
        ends = ["cancelled", "interrupted", "closed", "cancelled", "ok"]
        steps = [step("poll", seq, outcome=end) for seq, end in enumerate(ends)]
        write_session(two_sessions / "traces", "poller", "20240302_143022", steps)
        whole = run("list", cwd=two_sessions).stdout.splitlines()
        narrow = [
            run("list", cwd=two_sessions, env=environment(COLUMNS=columns)).stdout
            for columns in ("80", "60", "48")
        ]

        assert whole[0].endswith("  SIZE  ALSO")
        assert whole[1].endswith("  2 cancelled, 1 interrupted, 1 closed")
        assert [] == [row for row in whole if row.endswith(" ")]
        for shown in narrow:
            assert "ERRORS  ALSO" in shown
            assert "2 cancel" in shown

    @pytest.mark.parametrize("columns", range(20, 100, 7))
    def test_columns_give_way(self, two_sessions: Path, columns: int) -> None:
        """On a narrow terminal columns are left out; the rest stands in line."""
        env = environment(COLUMNS=str(columns))
        rows = run("list", cwd=two_sessions, env=env).stdout.splitlines()

        assert columns >= max(map(len, rows))
        assert columns < 36 or "ERRORS" in rows[0]

    @pytest.mark.parametrize(
        ("words", "agents"),
        [
            (["--errors"], ["trading_agent"]),
            (["--outcome", "error"], ["trading_agent"]),
            (["--outcome", "ok", "-n", "1"], ["researcher"]),
            (["--since", "2024-03-01T15:00Z"], ["researcher"]),
            (["--until", "2024-03-01T15:00Z"], ["trading_agent"]),
            (["--since", "20240301_143027"], ["researcher", "trading_agent"]),
            (["--since", "20240301_143028"], ["researcher"]),
            (["--since", "20240301_143028_2"], ["researcher"]),
            (["--errors", "--agent", "trading_agent"], ["trading_agent"]),
            (["--grep", "btcusdt"], ["trading_agent"]),
            (["--name", "fetch_*"], ["trading_agent"]),
            (["--kind", "tool", "--until", "2024-03-01T14:00Z"], []),
            (["--errors", "--outcome", "ok"], []),
            (["--errors", "--outcome", "error"], ["trading_agent"]),
            (["--name", "risk", "--errors"], ["trading_agent"]),
            (["--name", "market_scan", "--errors"], []),
            (["--name", "market_scan", "--outcome", "ok"], ["trading_agent"]),
        ],
    )
    def test_choosing(
        self, two_sessions: Path, words: list[str], agents: list[str]
    ) -> None:
        """Sessions are chosen by how their steps ended and by when they went on."""
        done = run("list", "--json", *words, cwd=two_sessions)

        assert agents == [each["agent"] for each in json.loads(done.stdout)["sessions"]]

    def test_choosing_by_a_step_that_does_not_exist(self, two_sessions: Path) -> None:
        """Where no session has such a step, the name that was meant is suggested."""
        done = run("list", "--name", "fetch_pirces", cwd=two_sessions)

        assert (1, "") == (done.returncode, done.stdout)
        assert done.stderr.endswith(" matches. Did you mean 'fetch_prices'?\n")

    def test_choosing_by_a_step_of_a_damaged_session(self, two_sessions: Path) -> None:
        """What can still be read of a session is looked at; the rest is named."""
        traces = two_sessions / "traces"
        damaged = traces / f"trading_agent_{SESSION_ID}.jsonl"
        damaged.write_bytes(b"garbage\n" + damaged.read_bytes())
        (traces / "lost_20240302_143022.jsonl").write_bytes(b"garbage\n")
        done = run("list", "--json", "--grep", "BTCUSDT", cwd=two_sessions)

        (found,) = json.loads(done.stdout)["sessions"]
        assert ("trading_agent", 0) == (found["agent"], done.returncode)
        assert 2 == done.stderr.count("has 1 problem")

    @pytest.mark.parametrize("words", [["--json"], []])
    def test_nothing_chosen(self, two_sessions: Path, words: list[str]) -> None:
        """Where no session is asked for, that is said, with status 1."""
        done = run("list", "--outcome", "closed", *words, cwd=two_sessions)

        assert (1, 1) == (done.returncode, done.stderr.count(" matches."))
        assert {"sessions": []} == json.loads(done.stdout or '{"sessions": []}')

    def test_same_second(self, two_sessions: Path) -> None:
        """Sessions of two agents that share an id are listed by names that differ."""
        traces = two_sessions / "traces"
        write_session(traces, "researcher", SESSION_ID, [step("search", 1)])
        rows = run("list", cwd=two_sessions).stdout.splitlines()[1:]
        labels = [row.split()[0] for row in rows]

        assert "20240301_153022" == labels[0]
        assert {f"trading_agent_{SESSION_ID}", f"researcher_{SESSION_ID}"} == set(
            labels[1:]
        )
        for label in labels:
            assert 0 == run("view", label, cwd=two_sessions).returncode

    def test_a_copy_under_another_id(self, two_sessions: Path) -> None:
        """A session whose file bears another id is listed by the name that views it."""
        traces = two_sessions / "traces"
        path = traces / f"trading_agent_{SESSION_ID}.jsonl"
        path.rename(traces / "trading_agent_20240305_120000.jsonl")
        write_session(traces, "other", "20240306_120000", [step("other", 1)])
        (traces / "other_20240306_120000.jsonl").rename(
            traces / f"other_{SESSION_ID}.jsonl"
        )
        rows = run("list", "--json", cwd=two_sessions).stdout
        sessions = json.loads(rows)["sessions"]
        labels = run("list", cwd=two_sessions).stdout.splitlines()[1:]

        assert 3 == len(labels) == len(sessions)
        for label, session in zip(labels, sessions):
            shown = run("view", label.split()[0], "--json", cwd=two_sessions).stdout
            assert session["agent"] == json.loads(shown)["session"]["agent"]

    def test_one_unreadable(self, two_sessions: Path) -> None:
        """A file that cannot be opened is named, and the others are listed."""
        path = two_sessions / "traces" / "researcher_20240301_153022.jsonl"
        path.unlink()
        path.symlink_to("/proc/1/mem")
        listed = run("list", cwd=two_sessions)
        counted = run("stats", "--json", cwd=two_sessions)

        assert (0, 0) == (listed.returncode, counted.returncode)
        assert ["?", "?", "?"] == listed.stdout.splitlines()[1].split()[4:7]
        assert "trading_agent" in listed.stdout.splitlines()[2]
        assert 1 == json.loads(counted.stdout)["sessions"]
        assert path.name in listed.stderr
        assert path.name in counted.stderr

    def test_damage_is_counted(self, traces: Path) -> None:
        """Damaged lines are said on standard error, and the rest is counted."""
        path = traces / "traces" / f"trading_agent_{SESSION_ID}.jsonl"
        with path.open("ab") as file:
            file.write(b"\x00\xff not json\n" + line(step("after", 6)))
        done = run("list", cwd=traces)

        assert "6" == done.stdout.splitlines()[1].split()[6]
        assert "has 1 problem;" in done.stderr
