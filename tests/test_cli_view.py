"""
``ai-trace view``: which session it shows, and which of its steps.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import pytest
from cli_runs import (
    STARTED,
    child,
    environment,
    header,
    line,
    run,
    step,
    trading_steps,
    write_session,
)
from llm_steps import chat, text, weather

from ai_trace.cli._moment import moment


SESSION_ID = "20240301_143022"
STEM = f"trading_agent_{SESSION_ID}"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A place whose trace directory has an older and a newer session."""
    traces = tmp_path / "traces"
    write_session(traces, "trading_agent", SESSION_ID, trading_steps())
    write_session(
        traces,
        "researcher",
        "20240301_153022",
        [step("search", 1, started_at=STARTED + 3600)],
        started_at=STARTED + 3600,
    )
    return tmp_path


@pytest.fixture
def talks(tmp_path: Path) -> Path:
    """A place with a session of two conversations, one of them in an agent."""
    alone = chat(20, [text("user", "Alone?")], text("assistant", "Yes."))
    agent = step("guide", 9, kind="agent")
    steps = [*weather(10, parent=9), agent, alone]
    write_session(tmp_path / "traces", "trading_agent", SESSION_ID, steps)
    return tmp_path


def names(text: str) -> list[str]:
    """Return the names of the steps in what ``view --json`` printed, in order."""
    return [shown["name"] for shown in json.loads(text)["steps"]]


class TestSession:
    """The session that is meant."""

    @pytest.mark.parametrize("words", [[], ["latest"]])
    def test_newest_by_default(self, here: Path, words: list[str]) -> None:
        """Without a session, and with ``latest``, the newest one is shown."""
        done = run("view", *words, cwd=here)

        assert (0, "") == (done.returncode, done.stderr)
        assert "researcher" in done.stdout.splitlines()[0]

    @pytest.mark.parametrize(
        "name",
        [
            f"traces/{STEM}.jsonl",
            f"{STEM}.jsonl",
            STEM,
            SESSION_ID,
            "trading",
            "_1430",
        ],
    )
    def test_by_name(self, here: Path, name: str) -> None:
        """A session is found by path, file name, session id, or a unique part."""
        done = run("view", name, cwd=here)

        assert (0, "") == (done.returncode, done.stderr)
        assert "trading_agent" in done.stdout.splitlines()[0]

    def test_path_needs_no_directory(self, here: Path) -> None:
        """A path is shown even where the trace directory does not exist."""
        done = run("--dir", "nowhere", "view", f"traces/{STEM}.jsonl", cwd=here)

        assert (0, "") == (done.returncode, done.stderr)

    def test_mistyped(self, here: Path) -> None:
        """A session that does not exist is answered with the nearest one."""
        done = run("view", "tradng_agent_20240301_143022", cwd=here)

        assert (1, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
        assert "tradng_agent" in done.stderr
        assert STEM in done.stderr

    @pytest.mark.parametrize("name", ["агент 7", "агент", "7", "trading bot"])
    def test_by_agent(self, here: Path, name: str) -> None:
        """An agent whose name cannot be in a file name is found by it, or by a part."""
        traces = here / "agents"
        agent = "агент 7" if name in "агент 7" else name
        steps = [step("mine", 1)]
        write_session(traces, "8f3bd855", "20240301_163022", steps, agent=agent)
        write_session(traces, "other", "20240301_163122", [step("not", 1)])
        done = run("view", name, "--dir", "agents", "--json", cwd=here)

        assert ["mine"] == names(done.stdout)

    def test_an_agent_of_several_sessions(self, here: Path) -> None:
        """Its name is its newest session; a part is not enough, and they are named."""
        for second in (22, 23):
            session_id = f"20240301_1630{second}"
            write_session(here, "8f3b", session_id, [step("a", 1)], agent="交易")
        whole = run("view", "交易", "--dir", ".", cwd=here)
        part = run("view", "易", "--dir", ".", cwd=here)
        mistyped = run("view", "交易易", "--dir", ".", cwd=here)

        assert "交易  20240301_163023" == whole.stdout.splitlines()[0]
        assert 1 == part.returncode
        newest_first = "newest first: 8f3b_20240301_163023, 8f3b_20240301_163022"
        assert f"'易' fits 2 sessions, {newest_first}" in part.stderr
        assert "Did you mean 8f3b_20240301_163023?" in mistyped.stderr

    def test_ambiguous(self, here: Path) -> None:
        """A part that two sessions have is answered with both."""
        done = run("view", "20240301", cwd=here)

        assert (1, "") == (done.returncode, done.stdout)
        assert STEM in done.stderr
        assert "researcher_20240301_153022" in done.stderr


class TestTree:
    """What is shown of a session."""

    def test_children_below_parents(self, here: Path) -> None:
        """Steps are below the step they were made in, in the order of their starts."""
        done = run("view", "trading", cwd=here)
        shown = [row for row in done.stdout.splitlines() if "250 ms" in row]

        assert [
            "✔ market_scan",
            "├─ ✔ fetch_prices",
            "├─ ✔ fetch_news",
            "└─ ✘ risk_check",
            "✔ decision",
        ] == [row.split(" (")[0].split(" 250")[0] for row in shown]
        assert "symbol='BTCUSDT' → signal=0.87 confidence=0.9" in shown[0]
        assert "RiskError: position too large" in done.stdout

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ([], "market_scan fetch_prices fetch_news risk_check decision"),
            (["--errors"], "risk_check"),
            (["--outcome", "error"], "risk_check"),
            (["--since", "2024-03-01T14:30:25Z"], "fetch_news risk_check decision"),
            (["--until", "2024-03-01T14:30:25Z"], "market_scan fetch_prices"),
            (
                [
                    *("--since", "2024-03-01T14:30:24"),
                    *("--until", "2024-03-01T14:30:26"),
                ],
                "fetch_prices fetch_news",
            ),
            (["--name", "fetch_*"], "fetch_prices fetch_news"),
            (["--name", "FETCH"], "fetch_prices fetch_news"),
            (["--name", "fetch_?rices"], "fetch_prices"),
            (["--kind", "tool"], "fetch_prices fetch_news"),
            (["--grep", "btcusdt"], "market_scan fetch_prices"),
            (["--grep", "too large"], "risk_check"),
            (["--grep", "confidence"], "market_scan"),
            (["--grep", "12.5"], "risk_check"),
            (["--kind", "tool", "--grep", "calm"], "fetch_news"),
            (["--depth", "1"], "market_scan decision"),
            (["--depth", "1", "--name", "scan"], "market_scan"),
            (["--step", "0000000000000004"], "risk_check"),
            (["--step", "04"], "risk_check"),
            (["--step", "01"], "market_scan"),
            (
                ["--step", "01", "--depth", "2"],
                "market_scan fetch_prices fetch_news risk_check",
            ),
        ],
    )
    def test_choosing(self, here: Path, words: list[str], expected: str) -> None:
        """Each option leaves steps out, and --json has the same ones."""
        machine = run("view", "trading", "--json", *words, cwd=here)
        person = run("view", "trading", *words, cwd=here)

        assert (0, "") == (machine.returncode, machine.stderr)
        assert expected.split() == names(machine.stdout)
        assert (0, "") == (person.returncode, person.stderr)
        assert [] == [name for name in expected.split() if name not in person.stdout]

    def test_chosen_steps_that_are_deeper(self, here: Path) -> None:
        """Of chosen steps below the levels that are shown, it is told that they are."""
        done = run("view", "trading", "--errors", "--depth", "1", cwd=here)
        *_, step, below = done.stdout.splitlines()

        assert 0 == done.returncode
        assert ("✔ market_scan 250 ms", "└─ … 1 more below") == (step, below)

    @pytest.mark.parametrize("words", [["--json"], ["--chat"]])
    def test_what_is_deeper_was_not_looked_at(
        self, here: Path, words: list[str]
    ) -> None:
        """Where nothing is shown for lack of depth, that is said, not that none is."""
        chosen = ["--errors", "--depth", "1", *words]
        done = run("view", "trading", *chosen, cwd=here)

        assert (1, "") == (done.returncode, done.stdout)
        assert "matches within --depth 1; what is deeper was not looked at.\n" in (
            done.stderr
        )

    def test_chosen_steps_keep_their_parents(self, here: Path) -> None:
        """A step is shown below those that it was made in, and not beside others."""
        done = run("view", "trading", "--errors", cwd=here)
        rows = [row for row in done.stdout.splitlines() if "250 ms" in row]

        assert ["✔ market_scan 250 ms"] == rows[:1]
        assert [True] == [row.startswith("└─ ✘ risk_check") for row in rows[1:]]

    @pytest.mark.parametrize(
        "words", [["--name", "nobody"], ["--kind", "llm"], ["--grep", "zzz"]]
    )
    def test_nothing_chosen(self, here: Path, words: list[str]) -> None:
        """When no step matches, that is said, with status 1."""
        done = run("view", "trading", *words, cwd=here)

        assert (1, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))

    @pytest.mark.parametrize(
        ("words", "hint"),
        [
            (["--name", "fetch_pirces"], "Did you mean 'fetch_prices'?"),
            (["--name", "fetch_prices", "--kind", "llm"], "matches."),
            (["--errors", "--kind", "tool"], "--outcome cancelled shows them."),
            (["--outcome", "closed"], "matches."),
        ],
    )
    def test_what_may_have_been_meant(
        self, here: Path, words: list[str], hint: str
    ) -> None:
        """Where no step matches, the nearest name and what was cancelled are named."""
        steps = [*trading_steps(), step("fetch_all", 6, outcome="cancelled")]
        write_session(here / "traces", "trading_agent", "20240301_143023", steps)
        done = run("view", "20240301_143023", *words, cwd=here)

        assert (1, "") == (done.returncode, done.stdout)
        assert done.stderr.endswith(f"{hint}\n")

    @pytest.mark.parametrize(
        ("kind", "hint"),
        [("tols", "Did you mean 'tool'?"), ("LLM", "'llm'?"), ("llm", "matches.\n")],
    )
    def test_mistyped_kind(self, here: Path, kind: str, hint: str) -> None:
        """A kind that does not exist is answered with the one that was meant."""
        done = run("view", "trading", "--kind", kind, cwd=here)

        assert (1, "") == (done.returncode, done.stdout)
        assert done.stderr.strip().endswith(hint.strip())

    def test_full(self, here: Path) -> None:
        """--full shows ids, context, logs, result and traceback of each step."""
        done = run("view", "trading", "--full", cwd=here)

        for recorded in (
            "id 0000000000000004",
            "symbol: 'BTCUSDT'",
            "14:30:23.100  signal=0.87 confidence=0.9",
            "Traceback (most recent call last):",
        ):
            assert recorded in done.stdout

    def test_a_step_is_shown_whole(self, here: Path) -> None:
        """--step shows all of that step, and not the steps below it."""
        done = run("view", "trading", "--step", "01", cwd=here)

        assert "symbol: 'BTCUSDT'" in done.stdout
        assert "fetch_prices" not in done.stdout

    @pytest.mark.parametrize(
        ("step_id", "hint"), [("ffff", "No step"), ("0000", "5 ids")]
    )
    def test_wrong_step(self, here: Path, step_id: str, hint: str) -> None:
        """An id of no step, or of several, is answered with what to do."""
        done = run("view", "trading", "--step", step_id, cwd=here)

        assert (1, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
        assert hint in done.stderr
        assert repr(step_id) in done.stderr


class TestChat:
    """``view --chat``."""

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ([], ["Warmer.", "Yes."]),
            (["--grep", "rome"], ["Warmer."]),
            (["--step", "09"], ["Warmer."]),
            (["--step", "14"], ["Yes."]),
            (["--step", "0b"], []),
            (["--depth", "1"], ["Yes."]),
            (["--kind", "llm", "--name", "chat*"], ["Warmer.", "Yes."]),
        ],
    )
    def test_conversations(
        self, talks: Path, words: list[str], said: list[str]
    ) -> None:
        """The matching conversations come below the header."""
        done = run("view", "--chat", *words, cwd=talks)
        rows = done.stdout.splitlines()

        assert (0, "") == (done.returncode, done.stderr)
        assert f"trading_agent  {SESSION_ID}" == rows[0]
        assert said == [row.strip() for row in rows if row[2:] in ("Warmer.", "Yes.")]

    @pytest.mark.parametrize("words", [["--grep", "zzz"], ["--errors"]])
    def test_nothing_said(self, talks: Path, words: list[str]) -> None:
        """Where no conversation matches, that is said, with status 1."""
        done = run("view", "--chat", *words, cwd=talks)

        assert (1, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
        assert "holds no conversation" in done.stderr

    def test_not_for_machines(self, talks: Path) -> None:
        """--chat with --json is refused, and says what to choose."""
        done = run("view", "--chat", "--json", cwd=talks)

        assert (2, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))

    def test_steps_keep_their_shape(self, talks: Path) -> None:
        """The machines' view has the messages as recorded."""
        done = run("view", "--json", "--step", "0a", cwd=talks)
        (shown,) = json.loads(done.stdout)["steps"]

        assert weather(10, parent=9)[0] == shown


class TestJson:
    """``view --json``."""

    def test_header_and_steps_by_start(self, here: Path) -> None:
        """--json is one object: the header as recorded, and the steps by their seq."""
        done = run("view", "trading", "--json", cwd=here)
        steps = sorted(trading_steps(), key=lambda recorded: recorded["seq"])

        assert {
            "session": header("trading_agent", SESSION_ID),
            "steps": steps,
        } == json.loads(done.stdout)

    def test_only_ascii(self, here: Path) -> None:
        """--json prints ASCII without control characters, whatever was traced."""
        hostile = "\x7f\x9b2J é\u202e\ud83d\ude00"
        traced = step("odd", 1, context={"text": hostile})
        path = here / "traces" / "odd_20240301_163022.jsonl"
        first = {**traced, "session": header("odd", "20240301_163022")}
        path.write_text(json.dumps(first) + "\n", encoding="ascii")
        done = run("view", str(path), "--json", cwd=here)

        assert set(done.stdout) <= {"\n", *map(chr, range(0x20, 0x7F))}
        shown = json.loads(done.stdout)["steps"][0]["context"]["text"]
        assert hostile.encode("utf-16", "surrogatepass") == shown.encode(
            "utf-16", "surrogatepass"
        )


class TestDamage:
    """Files that are not as a tracer writes them."""

    def test_the_rest_is_shown(self, here: Path) -> None:
        """Each damaged line is named with number and offset, the others are shown."""
        path = here / "traces" / f"{STEM}.jsonl"
        whole = path.read_bytes()
        path.write_bytes(
            whole + b"garbage\n" + line(step("after", 6)) + b'{"name": "to'
        )
        done = run("view", "trading", "--json", cwd=here)

        assert 0 == done.returncode
        assert ["decision", "after"] == names(done.stdout)[-2:]
        first, second = done.stderr.splitlines()
        assert f"line 6, offset {len(whole)}: " in first
        assert "line 8, offset " in second
        assert "torn" in second

    def test_newer_format(self, here: Path) -> None:
        """A file of a newer format is said to be that, and shown."""
        write_session(
            here / "traces",
            "later",
            "20240301_163022",
            [step("future", 1, unheard_of=1)],
            format=99,
        )
        done = run("view", "later", "--json", cwd=here)

        assert (0, 1) == (done.returncode, done.stderr.count("\n"))
        assert "newer ai_trace" in done.stderr
        assert 1 == json.loads(done.stdout)["steps"][0]["unheard_of"]

    def test_empty(self, here: Path) -> None:
        """An empty file is a session named after it; what makes steps is said."""
        (here / "traces" / "young_20240301_163022.jsonl").touch()
        done = run("view", cwd=here)

        assert (0, 1) == (done.returncode, done.stderr.count("\n"))
        assert "inside `with Tracer(...)`" in done.stderr
        assert "young  20240301_163022" == done.stdout.splitlines()[0]
        assert "0 steps" in done.stdout

    @pytest.mark.parametrize(
        "content", [b"# A page\n\nof prose\n", b"\x00" * 40, b"[1, 2]\n", b"\xff\xfe{"]
    )
    def test_no_trace_at_all(self, here: Path, content: bytes) -> None:
        """A file without any step ends in a sentence and status 1."""
        (here / "notes.txt").write_bytes(content)
        done = run("view", "notes.txt", cwd=here)

        assert (1, "") == (done.returncode, done.stdout)
        assert "Nothing in notes.txt can be read" in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr

    def test_much_that_is_no_trace(self, here: Path) -> None:
        """How much of a file cannot be read is not said to be less than it is."""
        (here / "one.txt").write_bytes(b"x\n")
        (here / "notes.txt").write_bytes(b"x\n" * 5_000)
        ends = [
            run("view", name, cwd=here).stderr.split(": The line is damaged: ")[1]
            for name in ("one.txt", "notes.txt")
        ]

        assert ends[0][:-1] + " The rest cannot be read either.\n" == ends[1]

    @pytest.mark.parametrize("suffix", [".json", ".md"])
    @pytest.mark.parametrize("verb", ["view", "doctor", "recover", "tail"])
    @pytest.mark.parametrize("indent", [None, 2])
    def test_document(
        self, here: Path, suffix: str, verb: str, indent: int | None
    ) -> None:
        """One sentence says that a file is a document whose session is gone."""
        document = {"agent": "bot", "steps": trading_steps()}
        (here / f"saved{suffix}").write_text(json.dumps(document, indent=indent))
        done = run(verb, f"saved{suffix}", cwd=here)

        assert (1, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
        assert f"saved{suffix} is a document made of a session" in done.stderr
        assert "saved.jsonl" in done.stderr

    @pytest.mark.parametrize("name", ["old_20240301_163022.json", "163022"])
    @pytest.mark.parametrize("others", [True, False])
    def test_document_in_the_directory(
        self, here: Path, name: str, others: bool
    ) -> None:
        """So it is where it is named as one in the directory, or as a session."""
        directory = here / "traces" if others else here / "empty"
        directory.mkdir(exist_ok=True)
        document = directory / "old_20240301_163022.json"
        document.write_text(json.dumps({"agent": "old", "steps": trading_steps()}))
        done = run("--dir", str(directory), "view", name, cwd=here)

        assert (1, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
        assert f"{document} is a document made of a session" in done.stderr
        assert "old_20240301_163022.jsonl, which is not beside it" in done.stderr

    def test_document_beside_its_trace(self, here: Path) -> None:
        """The name of a document in the directory means the trace beside it."""
        (here / "traces" / f"{STEM}.md").write_text("# Page\n")
        done = run("view", f"{STEM}.md", "--json", cwd=here)

        assert (0, "") == (done.returncode, done.stderr)
        assert 5 == len(names(done.stdout))

    @pytest.mark.parametrize("directory", ["traces", "nowhere"])
    def test_what_is_no_file(self, here: Path, directory: str) -> None:
        """A path that exists but is not a file is reported as that."""
        os.mkfifo(here / "pipe_20240301_163022.jsonl")
        (here / "link_20240301_163022.jsonl").symlink_to("gone")
        pipe, link = (
            run("view", f"./{name}", "--dir", directory, cwd=here).stderr
            for name in ("pipe_20240301_163022.jsonl", "link_20240301_163022.jsonl")
        )

        assert "pipe_20240301_163022.jsonl is not a regular file" in pipe
        assert "link_20240301_163022.jsonl cannot be read: it is a broken link" in link

    def test_a_trace_by_the_name_of_a_document(self, here: Path) -> None:
        """A trace that was given the name of a document is still read."""
        path = write_session(here, "bot", "20240301_163022", trading_steps())
        path.rename(here / "bot.json")
        done = run("view", "bot.json", "--json", cwd=here)

        assert (0, "") == (done.returncode, done.stderr)
        assert 5 == len(names(done.stdout))

    def test_lost_parent(self, here: Path) -> None:
        """A step whose parent is not recorded is shown below a placeholder."""
        write_session(
            here / "traces", "torn", "20240301_163022", [child("orphan", 2, 1)]
        )
        person = run("view", "torn", cwd=here)
        machine = run("view", "torn", "--json", cwd=here)

        assert "└─ ✔ orphan" in person.stdout
        assert ["orphan"] == names(machine.stdout)


def test_a_session_that_died_took_at_least_as_long_as_its_steps(tmp_path):
    """The heading does not contradict a step that went on for longer."""
    cut = {"outcome": "unfinished", "finished_at": None, "duration_ms": 4_250.0}
    steps = [step("scan", 2), {**step("shift", 1), **cut}]
    write_session(tmp_path / "traces", "bot", "20240301_143022", steps)
    done = run("view", cwd=tmp_path)

    assert "unfinished after at least 4.25 s" in done.stdout
    assert "took 4.25 s" in done.stdout or "took 5.25 s" in done.stdout


def test_the_heading_counts_the_commonest_outcome_first(tmp_path):
    """Outcomes are ordered as in stats, not by when steps finished."""
    steps = [step("a", 1, outcome="error"), step("b", 2), step("c", 3)]
    write_session(tmp_path / "traces", "bot", "20240301_143022", steps)

    assert "3 steps: 2 ok, 1 error" in run("view", cwd=tmp_path).stdout


def test_full_tells_milliseconds(tmp_path):
    """--full tells a start as finely as its log entries."""
    started = {"started_at": STARTED + 0.25}
    steps = [{**step("a", 1), **started}]
    write_session(tmp_path / "traces", "bot", "20240301_143022", steps)

    assert "14:30:22.250" in run("view", "--full", cwd=tmp_path).stdout


# --- when ----------------------------------------------------------------------------


@pytest.fixture
def overnight(tmp_path: Path) -> Path:
    """A session of two roots, one before and one after midnight in UTC."""
    late, night = STARTED + 9 * 3600 + 0.25, STARTED + 10 * 3600
    write_session(
        tmp_path / "traces",
        "night",
        SESSION_ID,
        [
            child("quote", 2, 1, started_at=late + 1, outcome="error", error="No: why"),
            step("watch", 1, started_at=late),
            step("sleep", 3, started_at=night),
        ],
    )
    return tmp_path


def test_times(overnight: Path) -> None:
    """--times puts before each step when it started, and names each day."""
    shown = run("view", "--times", cwd=overnight).stdout

    assert (
        "2024-03-01 +00:00\n"
        "23:30:22.250 ✔ watch 250 ms\n"
        "23:30:23.250 └─ ✘ quote 250 ms\n"
        "                  No: why\n"
        "2024-03-02 +00:00\n"
        "00:30:22.000 ✔ sleep 250 ms\n"
    ) == shown.partition("\n\n")[2]


def test_times_are_local(overnight: Path) -> None:
    """The times are those of the machine's own zone, which is named."""
    shown = run("view", "--times", cwd=overnight, env=environment(TZ="XYZ-5:30"))

    assert "2024-03-02 +05:30\n05:00:22.250 ✔ watch" in shown.stdout
    assert 1 == shown.stdout.count("2024-03-02 +")


@pytest.mark.parametrize("columns", [24, 40, 59, 60, 80])
def test_times_fit(overnight: Path, columns: int) -> None:
    """On a narrow terminal the times give way; no line is longer than it is wide."""
    env = environment(COLUMNS=str(columns))
    shown = run("view", "--times", cwd=overnight, env=env).stdout.splitlines()

    assert columns >= max(map(len, shown))
    assert (columns >= 60) == any(row.startswith("23:30:22.250 ✔") for row in shown)
    assert (columns < 60) == any(row.startswith("23:30:22 ✔ watch") for row in shown)


def test_times_of_what_is_not_there(overnight: Path) -> None:
    """Steps that are left out, and a parent that is missing, have none."""
    path = overnight / "traces" / f"night_{SESSION_ID}.jsonl"
    cut = run("view", "--times", "--depth", "1", cwd=overnight).stdout
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2])
    lost = run("view", "--times", cwd=overnight).stdout

    assert "\n             └─ … 1 more below\n" in cut
    assert "\n             ? step 0000000000000001 is not in this file" in lost


def test_who_asks_by_time_sees_times(overnight: Path) -> None:
    """With --since or --until, the times are shown without being asked for."""
    until = run("view", "--until", "2024-03-01T23:30:23Z", cwd=overnight).stdout
    since = run("view", "--since", "2024-03-02", cwd=overnight).stdout

    assert until.endswith("2024-03-01 +00:00\n23:30:22.250 ✔ watch 250 ms\n")
    assert since.endswith("2024-03-02 +00:00\n00:30:22.000 ✔ sleep 250 ms\n")


def test_times_of_conversations(talks: Path) -> None:
    """With --chat, each call tells when it started."""
    plain = run("view", "--chat", cwd=talks).stdout
    timed = run("view", "--chat", "--times", cwd=talks).stdout

    assert "started" not in plain.partition("\n\n")[2]
    assert "  500 ms  started 2024-03-01 14:30:32+00:00" in timed.partition("\n\n")[2]


def test_a_time_of_day_is_the_last_one() -> None:
    """A time of day is the last time that a clock on the wall showed it."""
    now = time.time()
    times = ("00:00", "03:10", "12:34:56", "23:59:59")
    last = {words: moment(words) for words in times}

    assert last["03:10"] == moment("3:10")
    for words, found in last.items():
        shown = time.strftime("%H:%M:%S", time.localtime(found))
        assert shown.startswith(words)
        assert now - 25 * 3600 < found <= time.time()


BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
NEWFOUNDLAND = "NST3:30NDT,M3.2.0/0:01,M11.1.0/0:01"


@pytest.mark.parametrize(
    ("zone", "now", "words", "last"),
    [
        (BERLIN, "2024-10-27T00:40Z", "02:30", "2024-10-27T00:30Z"),
        (BERLIN, "2024-10-27T01:10Z", "02:30", "2024-10-27T00:30Z"),
        (BERLIN, "2024-10-27T01:30Z", "02:30", "2024-10-27T01:30Z"),
        (BERLIN, "2024-10-27T01:40Z", "02:30", "2024-10-27T01:30Z"),
        (BERLIN, "2024-10-27T12:00Z", "02:30", "2024-10-27T01:30Z"),
        (BERLIN, "2024-10-27T12:00Z", "13:30", "2024-10-26T11:30Z"),
        (BERLIN, "2024-03-31T12:00Z", "02:30", "2024-03-30T01:30Z"),
        (NEWFOUNDLAND, "2024-11-03T02:45Z", "00:00", "2024-11-03T02:30Z"),
    ],
)
def test_a_time_of_day_is_the_last_one_though_the_clock_was_set(
    monkeypatch: pytest.MonkeyPatch, zone: str, now: str, words: str, last: str
) -> None:
    """A time that the clock showed twice, or not at all, is the last one as well."""
    at = moment(now)
    monkeypatch.setattr(time, "time", lambda: at)
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        found = moment(words)
    finally:
        monkeypatch.undo()
        time.tzset()

    assert moment(last) == found


@pytest.mark.parametrize(
    "words", ["24:00", "003:10", "03:60", "03:10:99", "03:10Z", "0310"]
)
def test_no_time_of_day(words: str) -> None:
    """What only looks like a time of day is refused."""
    with pytest.raises(argparse.ArgumentTypeError, match="is not a point in time"):
        moment(words)
