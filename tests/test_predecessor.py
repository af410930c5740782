"""
The page of the predecessor, line by line, and the faults it had.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time

import pytest
from recorded import parse_line, read_directory, read_file

from ai_trace import Tracer


@pytest.fixture
def tracer():
    """A tracer as on the page; it writes to ``traces`` in an empty directory."""
    tracer = Tracer("trading_agent", meta={"model": "claude-haiku-4-5"})
    yield tracer
    tracer.close()


def quickstart(tracer):
    """Do what the page's quickstart does."""
    with tracer.step("market_scan", symbol="BTCUSDT") as step:
        signal = 0.87
        step.log(signal=signal, confidence=0.87)
    with tracer.step("decision", signal=signal) as step:
        step.log(action="buy", reason="SuperTrend bullish + volume spike")


def run_cli(*words):
    """Run the command and return what it printed; it has to succeed."""
    ended = subprocess.run(
        [sys.executable, "-m", "ai_trace", *words],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        timeout=60,
        check=False,
    )
    assert (0, "") == (ended.returncode, ended.stderr)
    return ended.stdout


# -- the page -----------------------------------------------------------------------


def test_quickstart_writes_each_step_as_it_completes(tracer, tmp_path):
    """Each step is in the JSONL file, in ``traces``, as soon as it is complete."""
    assert tmp_path / "traces" == tracer.path.resolve().parent
    with tracer.step("market_scan", symbol="BTCUSDT") as step:
        step.log(signal=0.87)
    assert 1 == len(read_file(tracer.path))
    quickstart(tracer)
    assert 3 == len(read_file(tracer.path))


def test_jsonl_line_has_the_fields_of_the_page(tracer):
    """A line holds name, context, outcome, duration and logs as the page shows them."""
    before = time.time()
    quickstart(tracer)
    after = time.time()

    line = read_file(tracer.path)[0]
    assert ("market_scan", {"symbol": "BTCUSDT"}, "ok") == (
        line["name"],
        line["context"],
        line["outcome"],
    )
    assert isinstance(line["duration_ms"], float)
    (entry,) = line["logs"]
    assert before <= entry.pop("_t") <= after
    assert {"signal": 0.87, "confidence": 0.87} == entry


def test_file_names_are_agent_and_session(tracer):
    """The three files are named by agent and session, with the page's endings."""
    quickstart(tracer)

    name = re.compile(r"trading_agent_\d{8}_\d{6}(_\d+)?\.(jsonl|json|md)")
    for path in (tracer.path, tracer.save(), tracer.save_markdown()):
        assert name.fullmatch(path.name)
        assert f"trading_agent_{tracer.session_id}" == path.name.partition(".")[0]
        assert path.exists()


def test_save_holds_the_whole_session(tracer):
    """The JSON file holds agent, session, meta and all steps with what they saw."""
    quickstart(tracer)

    saved = json.loads(tracer.save().read_text("utf-8"))

    assert ("trading_agent", tracer.session_id, {"model": "claude-haiku-4-5"}) == (
        saved["agent"],
        saved["session_id"],
        saved["meta"],
    )
    assert ["market_scan", "decision"] == [step["name"] for step in saved["steps"]]
    assert "SuperTrend bullish + volume spike" == saved["steps"][1]["logs"][0]["reason"]


def test_save_markdown_has_the_parts_of_the_page(tracer):
    """The report has the title, summary, steps, contexts and logs of the page."""
    quickstart(tracer)
    with pytest.raises(ValueError), tracer.step("order"):
        raise ValueError("no cash")

    report = tracer.save_markdown().read_text("utf-8")

    for part in (
        rf"^# Trace: trading_agent — {tracer.session_id}$",
        r"^## Summary$",
        r"^\| Steps \| OK \| Errors \|.* Avg duration \|$",
        r"^\| 3 \| 2 \| 1 \|.* \d+\.\d+ ms \|$",
        r"^## Steps$",
        r"^### 1\. ✅ `market_scan` \([\d.]+ (µs|ms)\)$",
        r"^\*\*Context:\*\*$",
        r"^- `symbol`: 'BTCUSDT'$",
        r"^\*\*Logs:\*\*$",
        r"^- `\d\d:\d\d:\d\d\.\d{3}Z` — `signal=0\.87`",
        r"^### 3\. ❌ `order`",
    ):
        assert re.search(part, report, re.MULTILINE), (part, report)


def test_manual_start_and_finish(tracer):
    """A step is started, logged to and finished by hand, or failed with a reason."""
    step = tracer.step("scan")
    step.start()
    step.log(markets_scanned=142)
    step.finish()
    failed = tracer.step("fetch")
    failed.start()
    failed.fail(reason="timeout")

    scan, fetch = read_file(tracer.path)
    assert ("ok", 142) == (scan["outcome"], scan["logs"][0]["markets_scanned"])
    assert ("error", "timeout") == (fetch["outcome"], fetch["error"])


def test_summary_and_repr(tracer):
    """The summary has the page's counts, the other outcomes, and so has the repr."""
    quickstart(tracer)
    tracer.step("fetch").start().fail("timeout")
    tracer.step("wait").start().finish("cancelled")

    summary = tracer.summary()

    assert {
        "agent": "trading_agent",
        "session_id": tracer.session_id,
        "steps": 4,
        "ok": 2,
        "errors": 1,
        "cancelled": 1,
    }.items() <= summary.items()
    assert summary["avg_duration_ms"] >= 0
    for key in ("agent", "steps", "ok", "errors", "avg_duration_ms"):
        assert f"{key}={summary[key]!r}" in repr(tracer)


def test_constructor_takes_what_the_page_names(tmp_path):
    """Agent, directory, auto-save and meta can be given by position or by name."""
    by_name = Tracer(agent="a", trace_dir=str(tmp_path / "x"), auto_save=True, meta={})
    by_position = Tracer("a", tmp_path / "y", True, {"run": 1})
    for tracer in (by_name, by_position):
        with tracer.step("scan"):
            pass
        tracer.close()

    assert {"run": 1} == read_file(by_position.path)[0]["session"]["meta"]
    assert tmp_path / "x" == by_name.path.parent


def test_without_auto_save_nothing_is_written_until_save(tmp_path):
    """Without auto-save the steps are kept, and the two saves write them."""
    tracer = Tracer("agent", tmp_path / "out", auto_save=False)
    quickstart(tracer)
    assert tracer.path is None
    assert [] == list(tmp_path.rglob("*"))

    saved, report = tracer.save(), tracer.save_markdown()
    tracer.close()

    assert 2 == len(json.loads(saved.read_text("utf-8"))["steps"])
    assert "market_scan" in report.read_text("utf-8")
    assert [saved, report] == sorted((tmp_path / "out").iterdir())


def test_save_is_a_snapshot_that_can_be_taken_again(tracer):
    """Saving during the run gives the steps so far; saving again gives them all."""
    with tracer.step("one"):
        pass
    first = tracer.save()
    assert 1 == len(json.loads(first.read_text("utf-8"))["steps"])
    quickstart(tracer)

    assert first == tracer.save()
    assert 3 == len(json.loads(first.read_text("utf-8"))["steps"])


def test_saves_leave_no_partial_file(tracer):
    """A save writes beside its target and renames: nothing else is left behind."""
    quickstart(tracer)
    tracer.save()
    tracer.save_markdown()

    suffixes = sorted(path.suffix for path in tracer.path.parent.iterdir())
    assert [".json", ".jsonl", ".md"] == [s for s in suffixes if s != ".open"]


@pytest.mark.parametrize(
    "words",
    [
        ["list"],
        ["view", "{file}"],
        ["view", "trading_agent_{session}.jsonl"],
        ["tail", "-n", "20", "--no-follow"],
        ["stats"],
        ["--dir", "{dir}", "list"],
        ["--dir", "{dir}", "stats"],
        ["list", "--dir", "{dir}"],
    ],
    ids=" ".join,
)
def test_commands_of_the_page(tracer, words):
    """Every command of the page runs, with the directory before the verb or after."""
    quickstart(tracer)
    known = {
        "file": str(tracer.path),
        "session": tracer.session_id,
        "dir": str(tracer.path.parent),
    }

    printed = run_cli(*(word.format(**known) for word in words))

    expected = "trading_agent" if "list" in words else "market_scan"
    assert expected in printed


# -- the faults it had --------------------------------------------------------------


def test_traceback_is_kept(tracer):
    """An error keeps its traceback, not only its message."""

    def fetch():
        raise ConnectionError("feed is down")

    with pytest.raises(ConnectionError), tracer.step("fetch"):
        fetch()

    (line,) = read_file(tracer.path)
    assert "ConnectionError: feed is down" == line["error"]
    assert "in fetch" in line["traceback"]
    assert "Traceback (most recent call last)" in line["traceback"]


def test_save_markdown_leaves_the_log_times(tracer):
    """Writing the report takes nothing from the steps: their log times stay."""
    quickstart(tracer)
    before = json.loads(tracer.save().read_text("utf-8"))["steps"]
    tracer.save_markdown()
    tracer.save_markdown()
    after = json.loads(tracer.save().read_text("utf-8"))["steps"]

    assert before == after
    assert all("_t" in entry for step in after for entry in step["logs"])


def test_two_sessions_in_one_second_have_files_of_their_own(tmp_path):
    """Sessions that start in the same second share no file and no session id."""
    tracers = [Tracer("agent", tmp_path) for _ in range(5)]
    for number, tracer in enumerate(tracers):
        with tracer.step(f"step {number}"):
            pass
        tracer.save()
        tracer.save_markdown()
        tracer.close()

    assert 5 == len({tracer.session_id for tracer in tracers})
    for suffix in ("jsonl", "json", "md"):
        assert 5 == len(list(tmp_path.glob(f"*.{suffix}")))
    for number, tracer in enumerate(tracers):
        assert [f"step {number}"] == [line["name"] for line in read_file(tracer.path)]


def test_tuple_keys_do_not_crash_the_agent(tracer):
    """A context whose keys JSON does not know is recorded, and the keys told."""
    with tracer.step("book", levels={("BTC", 1): 2.5, None: 1, b"x": 2}) as step:
        step.log(depth={("ETH", 2): 1})

    (line,) = read_file(tracer.path)
    assert 3 == len(line["context"]["levels"])
    assert 2.5 in line["context"]["levels"].values()


def test_every_key_is_a_legal_context_key(tracer):
    """The names of our own parameters are free for the context and the logs."""
    names = ("name", "self", "kind", "tracer", "fields", "context", "outcome", "_t")
    values = {name: number for number, name in enumerate(names)}
    with tracer.step("any", **values) as step:
        step.log(**values)

    (line,) = read_file(tracer.path)
    assert values == line["context"]
    (entry,) = line["logs"]
    assert {k: v for k, v in values.items() if k != "_t"} == {
        k: v for k, v in entry.items() if k in values and k != "_t"
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_json_lacks_make_valid_json(tracer, value):
    """NaN and the infinities are recorded as valid JSON in all three files."""
    with tracer.step("signal", value=value) as step:
        step.log(value=value)
        step.set_result(value)

    (line,) = tracer.path.read_bytes().splitlines(keepends=True)
    parsed = parse_line(line)
    assert parsed["context"]["value"] is not None or parsed["notes"]
    parse_line(tracer.save().read_bytes())
    assert tracer.save_markdown().exists()


@pytest.mark.parametrize(
    "agent",
    [
        "../outside",
        "/etc/outside",
        "..",
        "a/b",
        "a\\b",
        "a\0b",
        "a\nb",
        "CON",
        "-rf",
        "é" * 200,
        ".hidden",
        "~root",
    ],
)
def test_agent_name_stays_in_its_directory(tmp_path, agent):
    """Whatever the agent's name, its files lie in the directory; the name is kept."""
    directory = tmp_path / "traces"
    tracer = Tracer(agent, directory)
    with tracer.step("scan"):
        pass
    paths = [tracer.path, tracer.save(), tracer.save_markdown()]
    tracer.close()

    assert {directory} == {path.parent for path in paths}
    assert [directory] == list(tmp_path.iterdir())
    assert agent == read_file(tracer.path)[0]["session"]["agent"]


def test_durations_are_monotonic(tmp_path, monkeypatch):
    """A wall clock that is set back during a step leaves its duration true."""
    real = time.time
    tracer = Tracer("agent", tmp_path)
    with tracer.step("scan"):
        monkeypatch.setattr(time, "time", lambda: real() - 3600)
    monkeypatch.undo()
    tracer.close()

    (line,) = read_directory(tmp_path)
    assert 0 <= line["duration_ms"] < 60_000
    assert line["finished_at"] >= line["started_at"]


def test_steps_nest(tracer):
    """A step inside another is its child, in the same trace."""
    with tracer.step("outer"):
        with tracer.step("inner"):
            pass

    inner, outer = read_file(tracer.path)
    assert (outer["id"], outer["trace_id"]) == (inner["parent_id"], inner["trace_id"])
    assert outer["parent_id"] is None
