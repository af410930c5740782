"""A whole step is bounded: its context, its logs, and how it ends."""

from __future__ import annotations

import pytest
from recorded import parse_line

from ai_trace import Limits, Tracer, current_step, step, traced


BIG = "x" * 200_000
SIZES = [5_000, 20_000, 100_000]


def only_line(recording):
    """Return the last line, as it is in the file and decoded."""
    (path,) = recording.directory.glob("*.jsonl")
    line = path.read_bytes().split(b"\n")[-2]
    return line.decode(), parse_line(line)


def length(text, line):
    """Return the characters of a line without the header of its file."""
    return len(text) - len(text.partition('"session":')[2]) if "session" in line else 0


def lose_nothing_else(line):
    """See that a step which was cut still says all else of itself."""
    assert line["finished_at"] >= line["started_at"]
    assert "notes" in line


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "value",
    [
        BIG,
        [BIG] * 100,
        dict.fromkeys(map(str, range(9_000))),
        object(),
        "\x00" * 90_000,
    ],
    ids=["text", "texts", "keys", "object", "escapes"],
)
def test_a_context_beyond_the_step_is_cut_and_said(recorder_of, size, value):
    """A step whose context alone is larger than a step is cut, with its notes."""
    recording = recorder_of(limits=Limits(step_bytes=size))
    with step("scan", **{f"field{n}": value for n in range(500)}):
        pass

    text, line = only_line(recording)
    assert length(text, line) <= size
    notes = {note["note"] for note in line["notes"]}
    assert "truncated" in notes or "more notes" in notes
    assert 0 < len(line["context"]) <= 500
    lose_nothing_else(line)


@pytest.mark.parametrize("entry", [{"n": 1}, {"text": "x" * 3_000}, {"a": object()}])
@pytest.mark.parametrize("size", SIZES)
def test_logs_beyond_the_step_are_counted(recorder_of, size, entry):
    """Logs are kept while there is room, in order; the others are counted."""
    recording = recorder_of(limits=Limits(step_bytes=size))
    with step("scan") as scan:
        for n in range(5_000):
            scan.log(number=n, **entry)
        scan.set_result("done")

    text, line = only_line(recording)
    assert length(text, line) <= size
    kept = len(line["logs"])
    assert list(range(kept - 1)) == [log["number"] for log in line["logs"][:-1]]
    lost = next(note for note in line["notes"] if note["note"] == "lost")
    assert ("$.logs", 5_000 - kept) == (lost["path"], lost["count"])
    assert "done" == line["result"]


@pytest.mark.parametrize("size", SIZES)
def test_a_full_step_still_says_how_it_ends(recorder_of, size):
    """A step full of context and logs has room for its result, error and traceback."""
    recording = recorder_of(limits=Limits(step_bytes=size))
    with pytest.raises(ValueError), step("scan", a=BIG, b=BIG) as scan:
        for _ in range(100):
            scan.log(text=BIG)
        scan.set_result([BIG] * 50)
        raise ValueError(BIG)

    text, line = only_line(recording)
    assert length(text, line) <= size
    assert line["error"].startswith("ValueError: xxx")
    assert line["traceback"].startswith("Traceback (most recent call last):\n")
    assert "x" * 100 == line["result"][0][:100]
    lose_nothing_else(line)


def test_a_result_is_replaced_and_not_added(recorder_of):
    """A result that is set again and again takes the room of one."""
    recording = recorder_of(limits=Limits(step_bytes=100_000))
    with step("scan") as scan:
        for n in range(50):
            scan.set_result([n, "x" * 30_000])
        scan.log(done=True)

    line = recording.one("scan")
    assert [49, "x" * 30_000] == line["result"]
    assert True is line["logs"][0]["done"]
    assert "notes" not in line


def test_a_result_that_is_replaced_takes_its_notes_along(recorder_of):
    """Notes speak of what is in the record, and those of other values have room."""
    recording = recorder_of(limits=Limits(step_bytes=5_000))
    with step("scan", api_key="k-1") as scan:
        for _ in range(50):
            scan.set_result({"api_key": "k-1", "other": object()})
        scan.set_result("BUY").log(api_key="k-1")

    line = recording.one("scan")
    assert "BUY" == line["result"]
    assert ["$.context.api_key", "$.logs[0].api_key"] == [
        note["path"] for note in line["notes"]
    ]


def test_notes_on_items_are_those_of_the_items_that_are_kept(recorder_of):
    """What is dropped for want of room in the step is spoken of as a cut alone."""
    recording = recorder_of(limits=Limits(step_bytes=20_000))

    @traced(name="scan")
    def scan():
        for n in range(60):
            yield {"filler": "x" * 200, "what": object()} if n else "first"
        current_step().log(text="x" * 13_000)

    for _ in scan():
        pass

    line = recording.one("scan")
    kept = len(line["result"]["items"])
    assert 2 < kept < 60
    cut, *others = line["notes"]
    assert {"path": "$.result.items", "note": "truncated", "items": 60} == {
        key: cut[key] for key in cut if key != "kept"
    }
    assert [note["path"] for note in others] == [
        f"$.result.items[{n}].what" for n in range(1, kept)
    ]


@pytest.mark.parametrize("size", SIZES)
def test_generators_are_within_the_bytes_of_a_step(recorder_of, size):
    """The items of a generator share the step with what its body logs meanwhile."""
    recording = recorder_of(limits=Limits(step_bytes=size))

    @traced(name="stream")
    def stream(prompt):
        scan = recording.tracer
        for n in range(200):
            with scan.step("part"):
                pass
            yield f"{n} " + "x" * 1_000
        return BIG

    assert 200 == len(list(stream(BIG)))
    line = recording.one("stream")
    assert 200 == line["result"]["count"]
    kept = len(line["result"]["items"])
    assert [f"{n} " for n in range(kept)] == [
        item[: len(f"{n} ")] for n, item in enumerate(line["result"]["items"])
    ]
    text = str(line)
    assert len(text) <= size + 2_000


@pytest.mark.parametrize("size", [1, 100, 700])
def test_bytes_for_nothing_at_all(recorder_of, size):
    """With hardly any bytes the fixed part of a step is there, and the rest said."""
    recording = recorder_of(limits=Limits(step_bytes=size))
    with pytest.raises(ValueError), step("scan", a=[1]) as scan:
        scan.log(a=1).set_result("x" * 100)
        raise ValueError("stale")

    text, line = only_line(recording)
    assert length(text, line) < 1_000
    assert ("scan", "error") == (line["name"], line["outcome"])
    assert line["notes"]


def test_default_bounds_hold(recorder_of):
    """By default the largest step there is has 4 MB, whatever it is given."""
    recording = recorder_of()
    with (
        pytest.raises(ValueError),
        step("s" * 9_999, **dict.fromkeys("abcdef", [BIG] * 9)) as scan,
    ):
        for _ in range(20):
            scan.log(values=[BIG] * 9, odd=[object()] * 999)
        scan.set_result([BIG] * 9)
        raise ValueError(BIG * 2)

    text, line = only_line(recording)
    assert 3_500_000 < len(text) <= 4_194_304
    assert [BIG] * 2 == line["result"][:2]


@pytest.mark.parametrize("size", SIZES)
def test_starts_are_bounded_too(tmp_path, size):
    """What the journal and sinks are told at the start is bounded like the record."""
    seen = []

    class Sink:
        def on_start(self, step):
            seen.append(step.start_line)

        def on_finish(self, record):
            seen.append(record.line)

    limits = Limits(step_bytes=size)
    with (
        Tracer("agent", trace_dir=tmp_path, sinks=[Sink()], limits=limits),
        step("scan", a=BIG, b=[BIG] * 5),
    ):
        pass

    assert 2 == len(seen)
    assert max(map(len, seen)) <= size


def test_what_is_cut_of_meta_is_counted(tmp_path):
    """A header has no notes: that something of meta is missing, health tells."""
    meta = {"prompts": ["first", "second", "third"], "model": "m", "api_key": "k-1"}
    limits = Limits(items=2)
    with Tracer(
        "agent", tmp_path, meta={"models": ["a", "b", "c"]}, limits=limits
    ) as cut:
        pass
    with Tracer("agent", tmp_path, meta=meta) as whole:
        pass

    assert {"meta": {"truncated": 1}} == cut.health()
    assert {} == whole.health()
