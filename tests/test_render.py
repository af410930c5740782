from __future__ import annotations

import json
import re
import sys
import time
import weakref

import pyte
import pytest
from hostile_text import EVERYTHING
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from trace_lines import START, fields, header, record, step_id

from ai_trace._record import StepRecord
from ai_trace._tree import Problem, fold
from ai_trace.render import json as json_render
from ai_trace.render import markdown, stats, text
from ai_trace.render._style import Style, columns
from ai_trace.render._values import brief, brief_fields, duration, pretty


PLAIN = text.Style(width=None)
MISSING = (
    f"? step {step_id(9)} is not in this file: it had not finished when the file was "
    "last written"
)


@pytest.fixture(autouse=True)
def local_zone(monkeypatch):
    """Let local time be an hour east of Greenwich."""
    monkeypatch.setenv("TZ", "XYZ-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def session():
    """A session with one step of every sort."""
    return fold(
        [
            record(
                1,
                0,
                name="market_scan",
                context={"symbol": "BTCUSDT", "n": 3},
                logs=[{"_t": START + 0.1, "signal": 0.87, "confidence": 0.9}],
                duration_ms=142.3,
            ),
            record(
                2,
                1,
                name="risk",
                kind="tool",
                outcome="error",
                error="RiskError: too large\nby far",
                traceback="Traceback (most recent call last):\n  x\nRiskError",
                context={},
                duration_ms=0.85,
            ),
            record(3, 0, name="feed", outcome="cancelled", context={}),
            record(
                4,
                0,
                name="decide",
                context={"prompt": "line one\nline two"},
                result={"action": "BUY"},
                function="bot.decide",
                notes=[{"path": "$.context.image", "note": "truncated", "bytes": 10}],
                duration_ms=192_000.0,
            ),
            record(0, name="run", kind="agent", context={}, duration_ms=4_210.0),
            record(6, 9, name="orphan", context={}),
        ],
        header(meta={"model": "claude-haiku-4-5"}),
    )


def lines(*args, **options):
    """Render a tree without a limit to its width."""
    return list(text.tree(*args, options.pop("style", PLAIN), **options))


# --- the tree ----------------------------------------------------------------------


def test_the_tree_shows_what_happened(session):
    """The tree has a header, guides, outcomes, times, what was seen and decided."""
    assert [
        "bot  20240301_143022",
        "started 2024-03-01 15:30:22+01:00  took 6.50 s",
        "6 steps: 4 ok, 1 error, 1 cancelled",
        "meta model='claude-haiku-4-5'",
        "",
        "✔ run (agent) 4.21 s",
        "├─ ✔ market_scan 142 ms  symbol='BTCUSDT' n=3 → signal=0.87 confidence=0.9",
        "│  └─ ✘ risk (tool) 850 µs",
        "│       RiskError: too large⏎by far",
        "├─ ⊘ feed cancelled 500 ms",
        "└─ ✔ decide 3 m 12 s  prompt='line one⏎line two' → {action: 'BUY'}",
        MISSING,
        "└─ ✔ orphan 500 ms",
    ] == lines(session)


def test_the_tree_has_an_ascii_form(session):
    """Where the encoding has no guides and marks, ASCII ones take their place."""
    style = Style.fitting("ascii", width=None)

    shown = lines(session, style=style)[5:11]

    assert [
        "+ run (agent) 4.21 s",
        "|- + market_scan 142 ms  symbol='BTCUSDT' n=3 -> signal=0.87 confidence=0.9",
        "|  `- x risk (tool) 850 us",
        "|       RiskError: too large\\nby far",
        "|- - feed cancelled 500 ms",
        "`- + decide 3 m 12 s  prompt='line one\\nline two' -> {action: 'BUY'}",
    ] == shown
    assert all(line.isascii() for line in lines(session, style=style, full=True))


@pytest.mark.parametrize(
    ("encoding", "unicode"),
    [
        ("utf-8", True),
        ("UTF8", True),
        ("ascii", False),
        ("cp1252", False),
        (None, False),
        ("no-such-encoding", False),
    ],
)
def test_a_style_fits_its_encoding(encoding, unicode):
    """Signs are used where the encoding has all of them."""
    assert unicode is Style.fitting(encoding).unicode


def test_full_shows_everything(session):
    """In full, every value, log with its time, error, traceback and note is there."""
    decided = session.find(step_id(4))
    scan = session.find(step_id(1))
    failed = session.find(step_id(2))

    assert [
        "✔ decide 3 m 12 s",
        "  id 0000000000000004",
        "  started 2024-03-01 15:30:26.000+01:00",
        "  function bot.decide",
        "  context",
        "    prompt:",
        "      line one",
        "      line two",
        "  result",
        '    {"action": "BUY"}',
        "  notes",
        "    path='$.context.image' note='truncated' bytes=10",
    ] == lines(session, full=True, top=decided)
    assert "    15:30:22.100  signal=0.87 confidence=0.9" in lines(
        session, full=True, top=scan, depth=1
    )
    assert [
        "  error",
        "    RiskError: too large",
        "    by far",
        "  traceback",
        "    Traceback (most recent call last):",
        "      x",
        "    RiskError",
    ] == lines(session, full=True, top=failed)[3:]


def test_full_cuts_nothing():
    """However narrow the terminal, full means that every value is there whole."""
    prompt = "word " * 1_000
    log = {"_t": START, "thought": prompt, "n": 1}
    session = fold([record(0, context={"prompt": prompt}, logs=[log])], header())

    shown = "\n".join(text.tree(session, Style(width=40), full=True))

    assert 2 == shown.count(prompt.rstrip())


@pytest.mark.parametrize("width", [1, 10, 40, 79])
@pytest.mark.parametrize("unicode", [True, False])
def test_lines_fit_the_width(session, width, unicode):
    """No line is wider than the terminal, with wide characters, marks and colours."""
    wide = [
        record(10, name="日本語" * 30, context={"名前": "東京" * 40}),
        record(11, name="a\u0301" * 200, logs=[{"_t": START, "x": "é" * 99}]),
        record(12, outcome="error", error="E: " + "漢" * 99),
    ]
    wide_session = fold(wide, header(meta={"m": "漢" * 99}))
    screen = pyte.Screen(width, 3)

    for each in (session, wide_session):
        for line in text.tree(each, Style(colour=True, width=width, unicode=unicode)):
            bare = re.sub("\x1b\\[[0-9]+m", "", line)
            screen.reset()
            pyte.Stream(screen).feed(line)
            assert 0 == screen.cursor.y
            assert columns(bare) <= width
            assert len(bare) <= 5 * width


@pytest.mark.parametrize(
    ("shown", "count"), [("abc", 3), ("漢字", 4), ("a\u0301b", 2), ("✔é", 2), ("", 0)]
)
def test_columns_are_those_of_a_terminal(shown, count):
    """Wide characters take two columns, combining marks none."""
    assert count == columns(shown)


def test_colours_change_nothing_but_colours(session):
    """Without its colours a coloured tree is the plain one."""
    coloured = lines(session, style=Style(colour=True, width=None), full=True)

    assert any("\x1b[31m" in line for line in coloured)
    bare = [re.sub("\x1b\\[[0-9]+m", "", line) for line in coloured]
    assert lines(session, full=True) == [line.rstrip() for line in bare]


@pytest.mark.parametrize("hostile", EVERYTHING.values(), ids=EVERYTHING.keys())
@pytest.mark.parametrize("full", [False, True])
def test_hostile_text_stays_in_its_place(hostile, full):
    """A hostile text in any field leaves the tree printable and whole."""
    more = {
        "name": hostile,
        "kind": hostile,
        "outcome": hostile,
        "error": hostile,
        "traceback": hostile,
        "function": hostile,
        "context": {hostile: hostile, "nested": {hostile: [hostile]}},
        "logs": [{"_t": hostile, hostile: hostile}, {"_t": START, "x": [hostile]}],
        "result": hostile,
        "notes": [{"path": hostile, "note": hostile}],
    }
    steps = [record(0, id=hostile, **more), record(1, name="last")]
    session = fold(
        [*steps, record(2, parent_id=f"no {hostile}")],
        header(agent=hostile, session_id=hostile, meta={hostile: hostile}),
    )

    shown = lines(session, full=full)
    shown += text.step(steps[0], PLAIN, full=full)
    shown += stats.table(stats.collect([session.steps]), PLAIN)

    assert all(line.isprintable() for line in shown)
    assert 1 == sum(line.startswith("✔ last") for line in shown)


def test_only_shows_the_chosen_steps_below_their_ancestors(session):
    """Chosen steps are shown in a tree, with only the names of those above."""
    shown = lines(session, only=lambda step: step.outcome == "error")[5:]

    assert [
        "✔ run (agent) 4.21 s",
        "└─ ✔ market_scan 142 ms",
        "   └─ ✘ risk (tool) 850 µs",
        "        RiskError: too large⏎by far",
    ] == shown


def test_only_asks_once_for_each_step(session):
    """A choice is made in one pass over the steps."""
    asked = []
    lines(session, only=lambda step: asked.append(step.id))

    assert sorted(step.id for step in session.steps) == sorted(asked)


def test_depth_says_what_is_below(session):
    """Levels that are not shown are counted where they would be."""
    assert [
        "✔ run (agent) 4.21 s",
        "└─ … 4 more below",
        MISSING,
        "└─ … 1 more below",
    ] == lines(session, depth=1)[5:]
    assert "│  └─ … 1 more below" == lines(session, depth=2)[7]
    assert [] == [line for line in lines(session, depth=3) if "more below" in line]


def test_depth_counts_chosen_steps_alone(session):
    """Below the last level only steps that are asked for are counted."""
    shown = lines(session, depth=1, only=lambda step: step.name == "decide")[5:]

    assert ["✔ run (agent) 4.21 s", "└─ … 1 more below"] == shown


def test_top_shows_a_part_without_header(session):
    """One step and what is below it is a tree of its own."""
    shown = lines(session, top=session.find(step_id(1)))

    assert [
        "✔ market_scan 142 ms  symbol='BTCUSDT' n=3 → signal=0.87 confidence=0.9",
        "└─ ✘ risk (tool) 850 µs",
        "     RiskError: too large⏎by far",
    ] == shown


def test_deep_guides_do_not_fill_the_line():
    """Ten thousand levels down a step is still readable, with its depth in figures."""
    count = sys.getrecursionlimit() * 10
    session = fold(
        [record(n, n - 1 if n else None, context={}) for n in range(count)], header()
    )

    shown = list(text.tree(session, Style(width=60)))

    assert shown[-1].startswith(f"<{count}> ")
    assert shown[-1].endswith(f"└─ ✔ step {count - 1} 500 ms")


def test_a_tree_streams():
    """The first lines of a tree are there before the last steps are loaded."""
    records = [record(n, 0 if n else None) for n in range(100)]
    loaded = []

    def load(number):
        loaded.append(number)
        return records[number]

    shown = text.tree(fold(iter(records), header(), load=load), PLAIN)
    for _ in range(8):
        next(shown)

    assert len(loaded) < 8


def test_no_steps_are_said_to_be_none():
    """A session without steps has a header that says so."""
    shown = lines(fold([], header(started_at=0, meta={})))

    assert ["bot  20240301_143022", "started unknown", "0 steps", ""] == shown


def test_one_step_has_its_time(session):
    """A step by itself begins with the local time of its end."""
    step = session.find(step_id(2))

    assert [
        "15:30:24.500 ✘ risk (tool) 850 µs",
        "               RiskError: too large⏎by far",
    ] == list(text.step(step, PLAIN))


@pytest.mark.parametrize(
    ("outcome", "mark"),
    [
        ("closed", "◦"),
        ("interrupted", "!"),
        ("running", "…"),
        ("unfinished", "?"),
        ("something new", "?"),
    ],
)
def test_outcomes_are_named(outcome, mark):
    """Every outcome but ``ok`` is named beside its mark."""
    step = record(0, outcome=outcome, name="x", context={}, duration_ms=None)

    assert f"{mark} x {outcome}" == next(text.step(step, PLAIN)).split(" ", 1)[1]


def test_times_beyond_the_calendar_are_shown_as_unknown():
    """A time that no calendar has is unknown, and stops nothing."""
    strange = {"started_at": 1e300, "finished_at": 1e300, "duration_ms": 1e300}
    session = fold([record(0, **strange, logs=[{"_t": 1e300}, {"_t": True}])], header())

    shown = "\n".join([*lines(session, full=True), *text.step(session.steps[0], PLAIN)])

    assert "started unknown" in shown
    assert "--:--:--.---" in shown
    assert "--:--:--.---" in "".join(markdown.session(session))


def test_what_an_old_step_lacks_is_left_out():
    """A step of the 0.2 line has no id and no times, and nothing is said of them."""
    old = {"name": "scan", "outcome": "ok", "duration_ms": 142.3, "context": {"n": 1}}
    step = StepRecord.from_dict(old)

    assert ["--:--:--.--- ✔ scan 142 ms  n=1"] == list(text.step(step, PLAIN))
    shown = list(text.tree(fold([step], header()), PLAIN, full=True))
    assert ["✔ scan 142 ms", "  context", "    n: 1"] == shown[-3:]


def test_an_arrow_follows_the_duration_where_nothing_was_seen():
    """The result of a step without context follows one space after its duration."""
    step = record(0, context={}, result="hold")

    assert "✔ step 0 500 ms → 'hold'" == next(text.step(step, PLAIN)).split(" ", 1)[1]


def test_chosen_steps_beside_a_number_of_none():
    """Steps are chosen also where a step recorded twice names a missing parent."""
    records = [record(1), record(1, 8, seq=2), record(2, outcome="error")]
    session = fold(records, header())

    lines = text.tree(session, PLAIN, only=lambda step: step.outcome == "error")

    assert "step 2" in list(lines)[-1]


# --- values ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (None, ""),
        (0.0, "0 µs"),
        (0.0004, "0 µs"),
        (0.85, "850 µs"),
        (0.9996, "1.00 ms"),
        (12.34, "12.3 ms"),
        (142.3, "142 ms"),
        (999.6, "1.00 s"),
        (4_210.0, "4.21 s"),
        (59_960.0, "1 m 0 s"),
        (192_000.0, "3 m 12 s"),
        (3_599_999.0, "1 h 0 m"),
        (7_384_000.0, "2 h 3 m"),
        (90_000_000.0, "1 d 1 h"),
        (1e303, "1e+303 ms"),
        (-5.0, "-5 ms"),
    ],
)
def test_durations_have_three_digits_or_two_units(milliseconds, shown):
    """A duration is as exact as a person needs it."""
    assert shown == duration(milliseconds)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("BTCUSDT", "'BTCUSDT'"),
        (None, "None"),
        (True, "True"),
        (0.87, "0.87"),
        ({"a": 1, "b": [1, "x"]}, "{a: 1, b: [1, 'x']}"),
        ({}, "{}"),
        ([[[[1]]], 2], "[[[[…]]], 2]"),
        ("x" * 100, "'" + "x" * 38 + "…"),
        (list(range(1_000)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …"),
    ],
)
def test_a_preview_is_short(value, shown):
    """A value of any size has a short form of at most the given length."""
    assert shown == brief(value, 40)


def test_a_preview_of_much_costs_little():
    """A preview looks at no more of a value than it shows."""

    class Watched(dict):
        def items(self):
            for n in range(10**9):
                assert n < 100
                yield str(n), n

    assert brief_fields(Watched(), 40).endswith("…")


def test_what_fits_on_a_line_stands_on_one():
    """A value shown whole breaks no object or list that a line has room for."""
    trend = {"direction": "down", "since": "2008-09-09", "stale": [], "why": "a [ {"}
    book = [[level, level * 2.5] for level in range(20)]

    shown = pretty({"trends": {"SPX": trend, "IXIC": trend}, "book": book, "n": [1]})

    assert [
        "{",
        '  "trends": {',
        f'    "SPX": {json.dumps(trend)},',
        f'    "IXIC": {json.dumps(trend)}',
        "  },",
        '  "book": [',
        *(f"    {json.dumps(level)}," for level in book[:-1]),
        f"    {json.dumps(book[-1])}",
        "  ],",
        '  "n": [1]',
        "}",
    ] == shown.split("\n")


def test_numbers_fill_lines():
    """A list of many numbers takes as few lines as they need."""
    closes = [1300.5 + n for n in range(40)]

    shown = pretty({"closes": closes}).split("\n")

    assert 4 + 4 == len(shown)
    assert all(len(line) <= 88 for line in shown)
    assert {"closes": closes} == json.loads("\n".join(shown))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values.filter(lambda value: not isinstance(value, str)))
def test_what_is_shown_whole_is_all_there(value):
    """Lines that are joined change nothing of a value."""
    assert value == json.loads(pretty(value))


def test_values_nested_without_end_are_named():
    """A value too deep for the encoder is said to be that."""
    deep = []
    for _ in range(100_000):
        deep = [deep]

    assert "(nested too deeply to show)" == pretty(deep)
    assert '"(nested too deeply to show)"' == json_render.encode(deep)
    assert "[[[[…]]]]" == brief(deep, 40)


# --- JSON --------------------------------------------------------------------------


def strict(document):
    """Decode JSON, refusing what is not strict."""

    def refuse(constant):
        raise AssertionError(constant)

    return json.loads(document, parse_constant=refuse)


def test_json_is_the_session(session):
    """The snapshot holds the recorded steps in the order of their starts."""
    document = "".join(json_render.session(session, 12.5))

    decoded = strict(document)
    assert ["agent", "session_id", "saved_at", "meta", "steps"] == list(decoded)
    assert ("bot", "20240301_143022", 12.5, {"model": "claude-haiku-4-5"}) == (
        decoded["agent"],
        decoded["session_id"],
        decoded["saved_at"],
        decoded["meta"],
    )
    recorded = [step for step in session.steps if step.outcome != "missing"]
    assert [step.to_dict() for step in recorded] == decoded["steps"]
    assert len(recorded) + 3 == len(document.split("\n"))


def test_json_of_no_steps_is_a_list():
    """A session without steps has an empty list of them."""
    document = "".join(json_render.session(fold([], header()), 1.0))

    assert [] == strict(document)["steps"]


def test_json_keeps_what_it_does_not_know():
    """A step is written as it is in its line, to the last digit."""
    line = b'{"name":"a","outcome":"ok","seq":0,"x":0.10000000000000000001,"later":[]}'
    session = fold([StepRecord.from_line(line)], header())

    assert line.decode() in "".join(json_render.session(session, 1.0))


@pytest.mark.parametrize("hostile", EVERYTHING.values(), ids=EVERYTHING.keys())
def test_json_for_machines_is_ascii(hostile):
    """What may be printed to a terminal is pure printable ASCII, and says the same."""
    value = {hostile: [hostile, 1.5, None]}
    raw = json.dumps(fields(0, context=value), ensure_ascii=False)
    step = StepRecord.from_line(raw.encode("utf-8", "backslashreplace"))

    for shown in (json_render.line(step), json_render.encode(value)):
        assert shown.isascii()
        assert shown.isprintable()
    assert value == strict(json_render.encode(value))
    assert step.to_dict() == strict(json_render.line(step))


def test_json_has_no_infinities():
    """Infinities in a header are text in the output, which stays strict."""
    value = {"a": [float("inf"), (1, -float("inf"))], "b": float("nan")}

    assert {"a": ["inf", [1, "-inf"]], "b": "nan"} == strict(json_render.encode(value))


# --- Markdown ----------------------------------------------------------------------


def page_of(session):
    """Render a session's page."""
    return "".join(markdown.session(session))


def test_the_page_looks_like_the_old_one():
    """A simple session makes the page that people know from 0.2."""
    step = record(
        0,
        name="market_scan",
        duration_ms=142.3,
        logs=[
            {"_t": 1709303422.1, "signal": 0.87},
            {"_t": 1709303422.2, "action": "BUY", "size": "1"},
        ],
    )
    session = fold(
        [step], header(agent="trading_agent", meta={"run": "night"}, started_at=START)
    )

    assert """\
# Trace: trading_agent — 20240301_143022

## Summary

| Steps | OK | Errors | Avg duration |
|---|---|---|---|
| 1 | 1 | 0 | 142.3 ms |

## Metadata

- Started: 2024-03-01 14:30:22Z
- Took: 500.0 ms
- `run`: 'night'

## Steps

### 1. ✅ `market_scan` (142.3 ms)

**Context:**
- `symbol`: 'BTCUSDT'

**Logs:**
- `14:30:22.100Z` — `signal=0.87`
- `14:30:22.200Z` — `action='BUY'`, `size='1'`
""" == page_of(session)


def test_large_figures_on_the_page():
    """Thousands are set off in the summary, as they are wherever counts are shown."""
    ends = ["ok"] * 1_001 + ["error"] * 1_002 + ["closed"] * 1_003
    steps = [record(number, outcome=end) for number, end in enumerate(ends)]

    assert "| 3,006 | 1,001 | 1,002 | 1,003 |" in page_of(fold(steps, header()))


def test_the_page_shows_everything(session):
    """Steps are a numbered tree with context, logs, result, error and notes."""
    page = page_of(session)

    headings = [line for line in page.split("\n") if line.startswith("###")]
    assert [
        "### 1. ✅ `run` (agent, 4.21 s)",
        "#### 1.1. ✅ `market_scan` (142.3 ms)",
        "##### 1.1.1. ❌ `risk` (tool, 0.8 ms)",
        "#### 1.2. 🚫 `feed` (cancelled, 500.0 ms)",
        "#### 1.3. ✅ `decide` (3 m 12 s)",
        f"### 2. ❔ step `{step_id(9)}`",
        "#### 2.1. ✅ `orphan` (500.0 ms)",
    ] == headings
    assert "| Steps | OK | Errors | Cancelled | Avg duration |" in page
    assert "| 6 | 4 | 1 | 1 |" in page
    assert "- `14:30:22.100Z` — `signal=0.87`, `confidence=0.9`\n" in page
    assert "- `prompt`:\n  ```text\n  line one\n  line two\n  ```\n" in page
    assert "**Result:** `{action: 'BUY'}`\n" in page
    assert "**Error:**\n```text\nRiskError: too large\nby far\n```\n" in page
    assert "```text\nTraceback (most recent call last):\n  x\nRiskError\n```\n" in page
    assert "`path=$.context.image`, `note=truncated`, `bytes=10`\n" in page
    assert "## Problems\n" in page


@pytest.mark.parametrize("hostile", EVERYTHING.values(), ids=EVERYTHING.keys())
def test_hostile_text_does_nothing_on_the_page(hostile):
    """A hostile text in any field adds neither headings nor links to the page."""
    more = {
        "name": hostile,
        "kind": hostile,
        "outcome": hostile,
        "error": hostile,
        "traceback": hostile,
        "context": {hostile: hostile, "nested": {hostile: [hostile]}},
        "logs": [
            {"_t": hostile, hostile: hostile},
            {"_t": START, "long": hostile * 300, "lines": f"a\n{hostile}\n{hostile}"},
        ],
        "result": {"a": [hostile] * 100},
        "notes": [{hostile: hostile}],
    }
    session = fold(
        [record(0, id=hostile, **more), record(1, parent_id=f"no {hostile}")],
        header(agent=hostile, session_id=hostile, meta={hostile: hostile}),
        problems=[Problem("line 1", hostile)],
    )

    parser = MarkdownIt("commonmark", {"html": True, "linkify": True})
    parser.enable(["table", "linkify"])
    found = []
    for token in parser.parse(page_of(session)):
        found += [token, *(token.children or [])]

    opened = [token.tag for token in found if token.type == "heading_open"]
    assert ["h1", "h2", "h2", "h2", "h2", "h3", "h3", "h4"] == opened
    tags = {token.tag for token in found} - {f"h{level}" for level in range(1, 7)}
    assert tags <= {
        *("", "p", "ul", "li", "code", "strong", "br"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    assert [] == [token for token in found if token.type.startswith("html")]
    assert page_of(session).replace("\n", "").replace("\t", "").isprintable() or (
        "⏹️" in page_of(session)
    )


def test_the_page_cuts_nothing_that_is_deep():
    """A value that is short and deep is shown whole, not cut to fit a line."""
    deep = {"a": {"b": {"c": {"d": {"e": "the end"}}}}}
    steps = [record(0, context={"x": deep}, logs=[{"y": deep}], result=deep)]
    page = "".join(markdown.session(fold(steps, header())))

    assert 3 == page.count("the end")
    assert "…" not in page


def test_deep_pages_stay_readable():
    """Far down, headings stop growing and numbers are shortened in the middle."""
    count = sys.getrecursionlimit() * 5
    session = fold(
        [record(n, n - 1 if n else None, context={}) for n in range(count)], header()
    )

    page = page_of(session)

    last = [line for line in page.split("\n") if line.startswith("#")][-1]
    assert (
        f"###### 1.1.….1.1.1. (level {count}) ✅ `step {count - 1}` (500.0 ms)" == last
    )
    assert len(page) < 200 * count


def test_a_page_of_no_steps_says_so():
    """A session without steps has a page that says that."""
    page = page_of(fold([], header()))

    assert "| 0 | 0 | 0 | - |" in page
    assert page.endswith("## Steps\n\nNo steps.\n")


# --- stats -------------------------------------------------------------------------


def test_stats_count_over_sessions():
    """Figures cover all sessions: counts, outcomes, and durations per name."""
    first = [record(n, name="a", duration_ms=float(n)) for n in range(1, 101)]
    second = [
        record(1, name="b", outcome="error", duration_ms=5_000.0),
        record(2, name="b", outcome="unfinished", duration_ms=None),
        record(3, name="b", outcome="missing"),
        Problem("line 4", "It is damaged."),
    ]

    found = stats.collect([first, second])

    assert {
        "sessions": 2,
        "steps": 102,
        "outcomes": {"ok": 100, "error": 1, "unfinished": 1},
        "names": [
            {
                "name": "a",
                "count": 100,
                "errors": 0,
                "median_ms": 50.5,
                "p95_ms": 95.0,
                "max_ms": 100.0,
                "total_ms": 5050.0,
                "outcomes": {"ok": 100},
            },
            {
                "name": "b",
                "count": 2,
                "errors": 1,
                "median_ms": 5000.0,
                "p95_ms": 5000.0,
                "max_ms": 5000.0,
                "total_ms": 5000.0,
                "outcomes": {"unfinished": 1, "error": 1},
            },
        ],
        "models": [],
        "problems": 1,
    } == found.to_dict()


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_median_and_p95_are_exact(durations):
    """The median halves the durations; 95 of 100 do not exceed the p95."""
    (named,) = stats.collect(
        [[record(n, name="x", duration_ms=ms) for n, ms in enumerate(durations)]]
    ).names

    below = sum(ms <= named.p95_ms + 0.001 for ms in durations)
    assert below >= 0.95 * len(durations)
    assert sum(ms < named.p95_ms - 0.001 for ms in durations) < 0.95 * len(durations)
    assert 2 * sum(ms < named.median_ms - 0.001 for ms in durations) <= len(durations)
    assert 2 * sum(ms > named.median_ms + 0.001 for ms in durations) <= len(durations)


def test_steps_without_duration_have_no_figures():
    """A name with no finished steps has a row without durations."""
    found = stats.collect([[record(0, name="x", duration_ms=None)]])

    assert (None, None, None, 0.0) == (
        found.names[0].median_ms,
        found.names[0].p95_ms,
        found.names[0].max_ms,
        found.names[0].total_ms,
    )
    last = list(stats.table(found, PLAIN))[-1]
    assert ["x", "1", "0", "-", "-", "-", "-"] == last.split()


def test_long_names_are_told_apart():
    """Names and models are kept as far as a tracer records them."""
    names = [f"{'x' * 999}{end}" for end in "ab"]
    steps = [
        record(n, name=name, kind="llm", context={"model": name})
        for n, name in enumerate(names)
    ]
    found = stats.collect([steps])

    assert names == sorted(each.name for each in found.names)
    assert names == sorted(each.model for each in found.models)
    shown = list(stats.table(found, PLAIN._replace(width=60)))
    assert 60 >= max(map(len, shown))


def test_names_without_end_are_counted_together(monkeypatch):
    """Beyond the limit, further names share a row, and no step is left out."""
    monkeypatch.setattr(stats, "NAME_LIMIT", 10)
    steps = [record(n, name=f"n{n}" + "x" * 2_000, outcome=f"o{n}") for n in range(300)]

    found = stats.collect([steps])

    assert 11 == len(found.names)
    assert 300 == sum(each.count for each in found.names)
    assert 101 == len(found.outcomes)
    assert 300 == found.steps == sum(found.outcomes.values())


def test_the_table_shows_the_figures():
    """The table has the sums, each outcome, and a row for each name."""
    steps = [record(n, name="scan", duration_ms=100.0 + n) for n in range(3)]
    steps.append(record(4, name="x\x1b", outcome="error", duration_ms=0.5))

    shown = list(stats.table(stats.collect([[*steps, Problem("", "")]]), PLAIN))

    assert [
        "sessions  1",
        "steps     4",
        "  ✔ ok     3",
        "  ✘ error  1",
        "damaged   1 place passed over",
        "",
        "step          count  errors  median     p95     max   total",
        "scan              3       0  101 ms  102 ms  102 ms  303 ms",
        r"x\x1b             1       1  500 µs  500 µs  500 µs  500 µs",
    ] == shown


def test_large_figures_are_easy_to_read():
    """Thousands are set off in each count, as they are wherever counts are shown."""
    steps = [record(n, name="scan", duration_ms=1.0) for n in range(1_234)]
    steps.append(record(0, name="x", outcome="error", duration_ms=1.0))

    shown = list(stats.table(stats.collect([steps] * 1_000), PLAIN))

    assert [
        "sessions  1,000",
        "steps     1,235,000",
        "  ✔ ok     1,234,000",
        "  ✘ error      1,000",
    ] == shown[:4]
    assert ["scan", "1,234,000", "0"] == shown[-2].split()[:3]
    assert ["x", "1,000", "1,000"] == shown[-1].split()[:3]


@pytest.mark.parametrize("width", [30, 45, 60, 100])
def test_the_table_fits_the_width(width):
    """On a narrow terminal names are cut and the less needed columns left out."""
    steps = [record(0, name="漢字の名前" * 9), record(1, name="short")]

    shown = list(stats.table(stats.collect([steps]), Style(width=width)))

    assert all(columns(line) <= width for line in shown)
    assert "total" in shown[-3] or width < 45


def test_stats_stream():
    """Each record is dropped before the next one is read."""
    alive = []

    def steps():
        for number in range(50):
            step = record(number)
            alive.append(weakref.ref(step))
            yield step
            del step
            assert sum(ref() is not None for ref in alive) <= 2

    assert 50 == stats.collect([steps()]).steps
