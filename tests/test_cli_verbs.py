"""
``ai-trace`` ``tail``, ``stats``, ``report`` and ``demo``.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cli_runs import (
    STARTED,
    environment,
    header,
    interrupt,
    line,
    next_complaint,
    next_line,
    run,
    start,
    step,
    trading_steps,
    write_session,
)
from llm_steps import weather

from ai_trace import _lines_back
from ai_trace.cli._tail import Newest


SESSION_ID = "20240301_143022"
LATER = "20240301_153022"
STEM = f"trading_agent_{SESSION_ID}"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A place whose trace directory has one session of one decision."""
    write_session(tmp_path / "traces", "trading_agent", SESSION_ID, trading_steps())
    return tmp_path


def append(path: Path, *steps: dict[str, Any]) -> None:
    """Add lines to a trace file as its writer does, one write each."""
    with path.open("ab", buffering=0) as file:
        for recorded in steps:
            file.write(line(recorded))


def next_step(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for the next step that ``tail --json`` shows."""
    shown: dict[str, Any] = json.loads(next_line(process))
    return shown


class TestTail:
    """``ai-trace tail``."""

    def test_last_steps(self, here: Path) -> None:
        """-n and --no-follow show the last steps by the order of their finishing."""
        done = run("tail", "-n", "2", "--no-follow", cwd=here)

        assert (0, "") == (done.returncode, done.stderr)
        assert [
            "14:30:23.250 ✔ market_scan 250 ms",
            "14:30:27.250 ✔ decision 250 ms",
        ] == [row.split("  ")[0] for row in done.stdout.splitlines()]

    def test_json(self, here: Path) -> None:
        """With --json each line is the object of a step, the first with the header."""
        done = run("tail", "--no-follow", "--json", cwd=here)
        first, *rest = map(json.loads, done.stdout.splitlines())

        assert header("trading_agent", SESSION_ID) == first.pop("session")
        assert trading_steps() == [first, *rest]

    def test_nothing_there(self, tmp_path: Path) -> None:
        """Without any session, --no-follow ends with a sentence and status 1."""
        done = run("tail", "--no-follow", cwd=tmp_path)

        assert (1, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))

    def test_no_step_yet(self, here: Path) -> None:
        """A session without steps is said to have none, with status 1."""
        (here / "traces" / "young_20240301_163022.jsonl").touch()
        done = run("tail", "--no-follow", cwd=here)

        assert (1, "") == (done.returncode, done.stdout)
        assert "young_20240301_163022.jsonl" in done.stderr

    def test_damage(self, here: Path) -> None:
        """Damage among the last steps is named, and the steps are shown."""
        path = here / "traces" / f"{STEM}.jsonl"
        with path.open("ab") as file:
            file.write(b'garbage\n{"name": "torn')
        done = run("tail", "--no-follow", cwd=here)

        assert (0, 6) == (done.returncode, done.stdout.count("\n"))
        offset = path.stat().st_size - len(b'garbage\n{"name": "torn')
        first, second = done.stderr.splitlines()
        start = f"ai-trace: traces/{STEM}.jsonl: offset"
        assert first.startswith(f"{start} {offset}: The line is damaged: ")
        assert second.startswith(f"{start} {offset + 8}: The last line is torn")

    def test_nothing_that_can_be_read(self, here: Path) -> None:
        """A file without a step that can be read is named, with the reason."""
        (here / "traces" / "bad_20240301_163022.jsonl").write_text("hello\nworld\n")
        done = run("tail", "--no-follow", cwd=here)

        assert (1, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
        assert (
            "bad_20240301_163022.jsonl can be read as a step: offset 0" in done.stderr
        )

    def test_newer_format(self, tmp_path: Path) -> None:
        """A file of a newer format is said to be one, once, and shown."""
        steps = trading_steps()
        write_session(tmp_path / "traces", "bot", SESSION_ID, steps, format=7)
        done = run("tail", "--no-follow", cwd=tmp_path)

        assert (0, 1) == (done.returncode, done.stderr.count("\n"))
        assert f"{SESSION_ID}: It is written by a newer ai_trace" in done.stderr

    def test_live(self, here: Path) -> None:
        """Steps are shown as they finish, and Ctrl-C ends quietly with status 130."""
        path = here / "traces" / f"{STEM}.jsonl"
        with start("tail", "-n", "1", "--json", cwd=here) as process:
            assert "decision" == next_step(process)["name"]
            append(path, step("later", 6))
            assert "later" == next_step(process)["name"]
            printed, complaints = interrupt(process)

        assert (130, "") == (process.returncode, printed)
        assert f"ai-trace: Following {STEM}.jsonl. Ctrl-C ends.\n" == complaints

    def test_named_session_is_kept(self, here: Path) -> None:
        """A session that was named is followed even when a newer one starts."""
        path = here / "traces" / f"{STEM}.jsonl"
        with start("tail", "-n", "1", "--json", SESSION_ID, cwd=here) as process:
            next_line(process)
            write_session(
                here / "traces",
                "newer",
                "20240301_153022",
                [step("elsewhere", 1)],
                started_at=STARTED + 3600,
            )
            # The first of them is seen by a look that would have found the other
            # session, the second by the next look.
            append(path, step("later", 6))
            assert "later" == next_step(process)["name"]
            append(path, step("last", 7))
            assert "last" == next_step(process)["name"]
            printed, complaints = interrupt(process)

        assert ("", "") == (printed, complaints)

    def test_switches_to_a_newer_session(self, here: Path) -> None:
        """When a newer session starts, that is said, and all of it is shown."""
        with start("tail", "-n", "1", "--json", cwd=here) as process:
            next_line(process)
            path = write_session(
                here / "traces",
                "newer",
                "20240301_153022",
                [step("one", 1), step("two", 2)],
                started_at=STARTED + 3600,
            )
            one, two = (next_step(process) for _ in range(2))
            append(path, step("three", 3))
            three = next_step(process)
            _, complaints = interrupt(process)

        assert ["one", "two", "three"] == [one["name"], two["name"], three["name"]]
        assert "newer" == one["session"]["agent"]
        assert "session" not in two
        assert "Following newer_20240301_153022.jsonl." in complaints

    def test_follows_an_agent(self, here: Path) -> None:
        """Of an agent that was named, its next session is followed, no other one."""
        traces = here / "traces"
        with start("tail", "-n", "1", "--json", "trading_agent", cwd=here) as process:
            assert "decision" == next_step(process)["name"]
            sessions = (
                ("other", "20240301_153022"),
                ("trading_agent", "20240301_163022"),
            )
            for agent, session_id in sessions:
                write_session(traces, agent, session_id, [step(f"of {agent}", 1)])
            after = next_step(process)
            printed, complaints = interrupt(process)

        assert ("of trading_agent", "") == (after["name"], printed)
        assert [
            f"ai-trace: Following {STEM}.jsonl. Ctrl-C ends.",
            "ai-trace: Following trading_agent_20240301_163022.jsonl. Ctrl-C ends.",
        ] == complaints.splitlines()

    def test_an_agent_whose_sessions_are_gone(self, here: Path) -> None:
        """Where an agent has no session left, its last one remains the newest."""
        traces = here / "traces"
        path = traces / f"{STEM}.jsonl"
        newest = Newest(str(traces), "trading_agent")
        found = newest.changed()
        path.unlink()
        write_session(traces, "other", "20240301_153022", [step("other", 1)])

        assert (True, False, path) == (found, newest.changed(), newest.path)

    def test_waits_for_the_first_session(self, tmp_path: Path) -> None:
        """Before there is any session, tail says that it waits, and shows the first."""
        with start("tail", cwd=tmp_path) as process:
            assert "waiting for the first" in next_complaint(process)
            steps = [step("one", 1), step("two", 2)]
            write_session(tmp_path / "traces", "first", SESSION_ID, steps)
            rows = [next_line(process) for _ in range(2)]
            _, complaints = interrupt(process)

        assert ["one", "two"] == [row.split()[2] for row in rows]
        assert "Traceback" not in complaints

    @pytest.mark.parametrize("agent", [None, "trading_agent"])
    def test_a_packed_session_is_a_session(self, here: Path, agent: str | None) -> None:
        """Of compressed sessions the newest is followed; packing one starts none."""
        path = here / "traces" / f"{STEM}.jsonl"
        packed = path.with_suffix(".jsonl.gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        newest = Newest(str(path.parent), agent)
        found = (newest.changed(), newest.path, newest.changed())
        later = write_session(path.parent, "trading_agent", LATER, [step("one", 1)])
        switched = (newest.changed(), newest.path)
        later.with_suffix(".jsonl.gz").write_bytes(gzip.compress(later.read_bytes()))
        later.unlink()

        assert (True, packed, False) == found
        assert (True, later, False) == (*switched, newest.changed())

    def test_damage_is_named(self, here: Path) -> None:
        """A damaged line that comes while following is named, and the next shown."""
        path = here / "traces" / f"{STEM}.jsonl"
        with start("tail", "-n", "1", "--json", cwd=here) as process:
            next_line(process)
            with path.open("ab", buffering=0) as file:
                file.write(b"garbage\n")
            append(path, step("later", 6))
            assert "later" == next_step(process)["name"]
            _, complaints = interrupt(process)

        assert "damaged" in complaints

    @pytest.mark.parametrize(
        ("words", "names"),
        [
            (["--errors"], ["risk_check"]),
            (["--outcome", "ok", "-n", "2"], ["market_scan", "decision"]),
            (["--kind", "tool", "-n", "1"], ["fetch_news"]),
            (["--grep", "BTCUSDT"], ["fetch_prices", "market_scan"]),
            (["--since", "2024-03-01T14:30:26Z"], ["risk_check", "decision"]),
        ],
    )
    def test_choosing(self, here: Path, words: list[str], names: list[str]) -> None:
        """The last steps of those that are asked for are shown, as view chooses."""
        done = run("tail", "--no-follow", "--json", *words, cwd=here)

        assert names == [json.loads(row)["name"] for row in done.stdout.splitlines()]

    @pytest.mark.parametrize(
        ("words", "hint"),
        [
            (["--outcome", "cancelled"], ""),
            (["--name", "fetch_pirces"], " Did you mean 'fetch_prices'?"),
            (["--kind", "tols"], " Did you mean 'tool'?"),
        ],
    )
    def test_nothing_chosen(self, here: Path, words: list[str], hint: str) -> None:
        """Where no step is asked for, that is said, with what may have been meant."""
        done = run("tail", "--no-follow", *words, cwd=here)

        assert (1, "") == (done.returncode, done.stdout)
        assert done.stderr.endswith(f" matches.{hint}\n")

    def test_live_choice(self, here: Path) -> None:
        """What is followed is chosen, too."""
        path = here / "traces" / f"trading_agent_{SESSION_ID}.jsonl"
        words = ("tail", "--json", "--errors", SESSION_ID)
        with start(*words, cwd=here) as process:
            assert "risk_check" == next_step(process)["name"]
            append(path, step("fine", 6))
            append(path, step("wrong", 7, outcome="error", error="ValueError: no"))
            assert "wrong" == next_step(process)["name"]
            interrupt(process)

    def test_many_others(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The search does not go back forever, and says where it ended."""
        monkeypatch.setattr(_lines_back, "_OTHER_STEPS", 2)
        words = ("tail", "--no-follow", "--name", "fetch_prices")
        done = run(*words, cwd=here)

        assert (1, "") == (done.returncode, done.stdout)
        assert "2 other steps come after this place" in done.stderr
        assert "No step that was looked at of " in done.stderr


class TestStats:
    """``ai-trace stats``."""

    def test_figures(self, here: Path) -> None:
        """Sessions, steps, outcomes and figures per name are counted over all."""
        steps = [step("decision", 1, duration_ms=d) for d in (10.0, 20.0)]
        write_session(here / "traces", "trading_agent", "20240301_153022", steps)
        done = run("stats", "--json", cwd=here)
        figures = json.loads(done.stdout)
        names = {figure["name"]: figure for figure in figures["names"]}

        assert (0, "") == (done.returncode, done.stderr)
        assert (2, 7) == (figures["sessions"], figures["steps"])
        assert {"ok": 6, "error": 1} == figures["outcomes"]
        assert {
            "name": "decision",
            "count": 3,
            "errors": 0,
            "median_ms": 20.0,
            "p95_ms": 250.0,
            "max_ms": 250.0,
            "total_ms": 280.0,
            "outcomes": {"ok": 3},
        } == names["decision"]

    def test_table(self, here: Path) -> None:
        """For people, each name is a row with its errors."""
        done = run("stats", cwd=here)
        rows = [row.split() for row in done.stdout.splitlines()]
        figures = {row[0]: row[1:3] for row in rows if row}

        assert ["1", "1"] == figures["risk_check"]
        assert ["1", "0"] == figures["decision"]

    def test_models(self, here: Path) -> None:
        """Tokens and cost are counted by model, for machines and for people."""
        write_session(here / "traces", "guide", "20240301_153022", weather())
        machine = run("stats", "--json", cwd=here)
        person = run("stats", cwd=here)
        (model,) = json.loads(machine.stdout)["models"]

        assert ("toy-1", 3, 600, 0.003) == (
            model["model"],
            model["calls"],
            model["input_tokens"],
            model["cost_usd"],
        )
        assert "toy-1 3 0 600 150 30 0 $0.003" in " ".join(person.stdout.split())

    def test_agent(self, here: Path) -> None:
        """--agent counts the sessions of one agent alone."""
        write_session(
            here / "traces", "researcher", "20240301_153022", [step("search", 1)]
        )
        done = run("stats", "--agent", "researcher", "--json", cwd=here)

        assert (1, ["search"]) == (
            json.loads(done.stdout)["sessions"],
            [figure["name"] for figure in json.loads(done.stdout)["names"]],
        )

    @pytest.mark.parametrize(
        ("when", "sessions", "steps"),
        [
            ("2024-03-01", 1, 5),
            ("2024-03-01T14:30:25Z", 1, 3),
            ("2024-03-01T15:30:25+01:00", 1, 3),
            ("2024-03-01 14:30:25", 1, 3),
            (SESSION_ID, 1, 5),
            ("2024-03-02", 0, 0),
            ("30m", 0, 0),
            ("5200w", 1, 5),
        ],
    )
    def test_since(self, here: Path, when: str, sessions: int, steps: int) -> None:
        """--since counts steps that started then or later; no zone means local."""
        done = run("stats", "--since", when, "--json", cwd=here)
        figures = json.loads(done.stdout)

        assert (sessions, steps) == (figures["sessions"], figures["steps"])
        assert (0 if sessions else 1) == done.returncode

    @pytest.mark.parametrize(
        ("verb", "key"), [("stats", "names"), ("list", "sessions")]
    )
    @pytest.mark.parametrize(("early", "found"), [(1.9, 1), (2.1, 0)])
    def test_since_on_a_coarse_file_system(
        self, here: Path, verb: str, key: str, early: float, found: int
    ) -> None:
        """A file may be stamped with a time up to 2 s before the step in its end."""
        began = STARTED + 5
        os.utime(here / "traces" / f"{STEM}.jsonl", (began, began - early))
        when = "2024-03-01T14:30:27Z"
        done = run(verb, "--since", when, "--json", cwd=here)

        assert found == len(json.loads(done.stdout)[key])

    def test_ends_that_are_not_ok(self, here: Path) -> None:
        """Each outcome besides ok and error has a column, if there are any."""
        ends = ["cancelled", "interrupted", "closed", "closed", "ok"]
        steps = [step("poll", seq, outcome=end) for seq, end in enumerate(ends)]
        write_session(here / "traces", "poller", "20240301_153022", steps)
        done = run("stats", "poller", cwd=here)
        rows = [row.split() for row in done.stdout.splitlines()]
        narrow = run("stats", "poller", cwd=here, env=environment(COLUMNS="80"))

        assert ["count", "errors", "cancelled", "interrupted", "closed"] == rows[-2][
            1:6
        ]
        assert ["5", "0", "1", "1", "2"] == rows[-1][1:6]
        assert "cancelled  interrupted" in narrow.stdout
        assert 80 >= max(map(len, narrow.stdout.splitlines()))

    def test_named(self, here: Path) -> None:
        """Sessions that are named as for view are counted alone, and once."""
        for agent, seconds in (("researcher", "22"), ("poller", "23")):
            steps = [step(agent, 1)]
            write_session(here / "traces", agent, f"20240301_1530{seconds}", steps)

        def counted(*words: str) -> list[str]:
            done = run("stats", "--json", *words, cwd=here)
            return sorted(each["name"] for each in json.loads(done.stdout)["names"])

        assert ["researcher"] == counted("researcher")
        assert ["poller"] == counted(
            "latest", "20240301_153023", "traces/poller_20240301_153023.jsonl"
        )
        assert ["poller", "researcher"] == counted("153022", "poller")

    def test_named_by_its_parts(self, here: Path) -> None:
        """A session is counted once, whichever of its files are named, and how."""
        traces = here / "traces"
        (first,) = traces.glob("*.jsonl")
        for part, seq in (("part2", 8), ("p99", 9)):
            (traces / f"{STEM}.{part}.jsonl").write_bytes(line(step("late", seq)))
        (here / "linked").symlink_to(traces)
        files = sorted(f"traces/{path.name}" for path in traces.glob("*.jsonl"))
        also = [str(first), "traces/../" + files[0], f"linked/{STEM}.part2.jsonl"]
        done = run("stats", "--json", *files, *also, cwd=here)
        figures = json.loads(done.stdout)

        assert 3 == len(files)
        assert (1, 7) == (figures["sessions"], figures["steps"])

    def test_named_or_of_an_agent(self, here: Path) -> None:
        """Sessions and --agent do not go together, and it is said."""
        done = run("stats", "latest", "--agent", "trading_agent", cwd=here)

        assert (2, "") == (done.returncode, done.stdout)
        assert "not both" in done.stderr

    @pytest.mark.parametrize(
        ("words", "names"),
        [
            (["--errors"], ["risk_check"]),
            (["--outcome", "error"], ["risk_check"]),
            (["--kind", "tool"], ["fetch_news", "fetch_prices"]),
            (["--name", "fetch_p*"], ["fetch_prices"]),
            (["--name", "CISION"], ["decision"]),
            (["--until", "2024-03-01T14:30:24Z"], ["market_scan"]),
            (
                ["--since", "2024-03-01T14:30:24Z", "--until", "2024-03-01T14:30:26Z"],
                ["fetch_news", "fetch_prices"],
            ),
        ],
    )
    def test_choosing(self, here: Path, words: list[str], names: list[str]) -> None:
        """The steps that are counted are chosen as those of view are."""
        done = run("stats", *words, "--json", cwd=here)
        found = json.loads(done.stdout)["names"]

        assert names == sorted(figure["name"] for figure in found)

    @pytest.mark.parametrize(
        ("words", "hint"),
        [
            (["--kind", "tols"], " Did you mean 'tool'?"),
            (["--name", "fetch_pirces"], " Did you mean 'fetch_prices'?"),
            (["--name", "fetch_prices", "--kind", "llm"], ""),
        ],
    )
    def test_nothing_chosen(self, here: Path, words: list[str], hint: str) -> None:
        """Where no step is asked for, that is said, with what may have been meant."""
        done = run("stats", *words, cwd=here)

        assert 1 == done.returncode
        assert done.stderr.endswith(f"No step matches.{hint}\n")

    @pytest.mark.parametrize("words", [["--errors"], ["--since", "2024-03-01"]])
    def test_nothing_chosen_but_damage(self, tmp_path: Path, words: list[str]) -> None:
        """Damage is no step: it is counted, and that no step matches is said."""
        (tmp_path / "traces").mkdir()
        (tmp_path / "traces" / f"{STEM}.jsonl").write_bytes(b"no step\n")
        done = run("stats", *words, "--json", cwd=tmp_path)
        figures = json.loads(done.stdout)

        assert (1, 0, 1) == (done.returncode, figures["sessions"], figures["problems"])
        assert done.stderr.endswith("No step matches.\n")

    def test_since_is_local(self, here: Path) -> None:
        """A time without a zone is one of the machine's own zone."""
        env = environment(TZ="XYZ-2")
        done = run(
            "stats", "--since", "2024-03-01T16:30:25", "--json", cwd=here, env=env
        )

        assert 3 == json.loads(done.stdout)["steps"]


class TestReport:
    """``ai-trace report``."""

    def test_json_names_the_page(self, here: Path) -> None:
        """With --json the path is one object; it does not go with ``-o -``."""
        done = run("report", "-o", "page.md", "--json", cwd=here)
        both = run("report", "-o", "-", "--json", cwd=here)

        assert {"path": "page.md"} == json.loads(done.stdout)
        assert (here / "page.md").read_text(encoding="utf-8").startswith("# ")
        assert (2, "") == (both.returncode, both.stdout)
        assert "--json" in both.stderr

    def test_beside_the_trace(self, here: Path) -> None:
        """Without -o the page is written beside the trace, and its name is printed."""
        done = run("report", cwd=here)
        page = Path("traces", f"{STEM}.md")

        assert (0, f"{page}\n", "") == (done.returncode, done.stdout, done.stderr)
        text = (here / page).read_text(encoding="utf-8")
        assert "market_scan" in text
        assert "RiskError: position too large" in text

    def test_conversations(self, here: Path) -> None:
        """An LLM call is shown as its messages, with tokens and cost."""
        write_session(here / "traces", "guide", "20240301_153022", weather())
        done = run("report", "-o", "-", cwd=here)

        assert "(llm, 500.0 ms, 100 → 10 tokens, $0.001)" in done.stdout
        assert "- **user**: `And in Rome?`\n" in done.stdout
        assert 1 == done.stdout.count("Be brief.")

    @pytest.mark.parametrize("name", ["x/page.html", "PAGE.HTM", "page.json", "a.pdf"])
    def test_no_page_of_another_kind(self, here: Path, name: str) -> None:
        """A name that says HTML, JSON or PDF is refused: what comes is Markdown."""
        done = run("report", "-o", name, cwd=here)

        assert (2, "") == (done.returncode, done.stdout)
        assert f"{name!r} is not the name of a Markdown page" in done.stderr
        assert f"-o {Path(name).with_suffix('.md')};" in done.stderr
        assert not (here / name).exists()

    def test_named_file(self, here: Path) -> None:
        """-o names the page, which is replaced whole and leaves nothing beside it."""
        page = here / "postmortem.md"
        page.write_text("old")
        before = set(os.listdir(here))
        done = run("report", SESSION_ID, "-o", "postmortem.md", cwd=here)

        assert (0, "postmortem.md\n") == (done.returncode, done.stdout)
        assert page.read_text(encoding="utf-8").startswith("# Trace")
        assert before == set(os.listdir(here))

    def test_standard_output(self, here: Path) -> None:
        """-o - prints the same page."""
        printed = run("report", "-o", "-", cwd=here)
        run("report", "-o", "page.md", cwd=here)

        assert (here / "page.md").read_text(encoding="utf-8") == printed.stdout

    def test_a_device_is_not_replaced(self, here: Path) -> None:
        """A target that is not a regular file is written to, not replaced."""
        pipe = here / "pipe"
        os.mkfifo(pipe)
        with start("report", "-o", "pipe", cwd=here) as process:
            text = pipe.read_text(encoding="utf-8")
            process.communicate(timeout=30)

        assert text.startswith("# Trace")
        assert pipe.is_fifo()

    @pytest.mark.parametrize(
        "target",
        [
            f"traces/{STEM}.jsonl",
            f"traces/{STEM}.open",
            "nowhere/page.md",
            "traces",
        ],
    )
    def test_wrong_target(self, here: Path, target: str) -> None:
        """A trace, a directory and a place that is not there are refused by name."""
        trace = here / "traces" / f"{STEM}.jsonl"
        before = trace.read_bytes()
        done = run("report", "-o", target, cwd=here)

        assert (2, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
        assert repr(target) in done.stderr
        assert before == trace.read_bytes()

    def test_a_link_beside_the_trace(self, here: Path) -> None:
        """A link in the place of the page is refused, unless it is named."""
        mine = here / "mine"
        mine.write_text("mine")
        page = here / "traces" / f"{STEM}.md"
        page.symlink_to(mine)
        refused = run("report", cwd=here)
        before = mine.read_text()
        asked = run("report", "-o", str(page), cwd=here)

        assert (1, "", "mine") == (refused.returncode, refused.stdout, before)
        assert "is a link" in refused.stderr
        assert 0 == asked.returncode
        assert page.is_symlink()
        assert mine.read_text().startswith("# Trace")

    def test_no_trace(self, here: Path) -> None:
        """A file that is not a trace is neither reported nor overwritten."""
        notes = here / "notes.md"
        notes.write_text("# Mine\n")
        done = run("report", "notes.md", cwd=here)

        assert (1, "") == (done.returncode, done.stdout)
        assert "# Mine\n" == notes.read_text()
        assert {"notes.md", "traces"} == set(os.listdir(here))


class TestDemo:
    """``ai-trace demo``."""

    def test_first_run(self, tmp_path: Path) -> None:
        """In an empty place, demo records a session, shows it and says what is next."""
        done = run("demo", cwd=tmp_path)
        (trace,) = (tmp_path / "traces").glob("trading_agent_*.jsonl")
        next_words = [
            row.split("   ")[0].split()[1:]
            for row in done.stdout.splitlines()
            if row.startswith("  ai-trace ")
        ]

        assert (0, "") == (done.returncode, done.stderr)
        assert trace.name in done.stdout
        assert 4 == len(next_words)
        for words in next_words:
            assert 0 == run(*words, cwd=tmp_path).returncode

    def test_other_directory(self, tmp_path: Path) -> None:
        """With --dir, the next commands name that directory."""
        done = run("demo", "--dir", "my traces", cwd=tmp_path)

        assert 0 == done.returncode
        assert [] != list((tmp_path / "my traces").glob("*.jsonl"))
        assert "ai-trace --dir 'my traces' stats" in done.stdout

    def test_json_names_the_session(self, tmp_path: Path) -> None:
        """With --json the path of the session is one object, and no tree is shown."""
        done = run("demo", "--json", cwd=tmp_path)

        (session,) = tmp_path.glob("traces/*.jsonl")
        assert {"path": str(session.relative_to(tmp_path))} == json.loads(done.stdout)

    def test_switched_off(self, tmp_path: Path) -> None:
        """Where recording is switched off, demo says so."""
        done = run("demo", cwd=tmp_path, env=environment(AI_TRACE_DISABLED="1"))

        assert (1, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
        assert "AI_TRACE_DISABLED" in done.stderr
