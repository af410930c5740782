"""Large values: what is ordinary stays whole, the rest is cut, nothing is copied."""

from __future__ import annotations

import collections

import pytest
from nasty_classes import Node
from nasty_values import nested
from recorded import parse_line

from ai_trace import Limits, Tracer, step, traced
from ai_trace._capture import Capture


MB = 1_048_576


PROMPT = ("You are a careful trading agent. " * 8_000)[:262_144]


@pytest.mark.parametrize("text", [PROMPT, "é" * 262_144, "\n" * 200_000, '"' * 200_000])
def test_ordinary_prompts_are_whole(show, text):
    """A text of up to 256 kB is kept whole, without a note."""
    seen = show(text)

    assert text == seen.value
    assert [] == seen.notes


def history(turns, size):
    """Return a chat of that many turns."""
    return [
        {
            "role": ("user", "assistant")[n % 2],
            "content": [{"type": "text", "text": f"{n} " + "word " * (size // 5)}],
            "usage": {"input_tokens": n, "cost": n / 7},
        }
        for n in range(turns)
    ]


@pytest.mark.parametrize("odd", [None, (1,), object()], ids=["plain", "tuple", "odd"])
def test_ordinary_histories_are_whole(show, odd):
    """A chat of 80 turns of 8 kB each is whole, also if one thing in it is odd."""
    messages = history(80, 8_000)

    seen = show({"messages": messages, "odd": odd})

    assert messages == seen.value["messages"]
    assert not [note for note in seen.notes if note["note"] != "opaque"]


def test_several_large_values_are_whole(recording):
    """Each of several values of 256 kB in one step is whole: the limit is for each."""
    values = {f"field{n}": PROMPT for n in range(8)}
    with step("scan", **values) as scan:
        scan.set_result(values)

    line = recording.one("scan")
    assert values == line["context"]
    assert [("$.result", "truncated")] == sorted(
        {(note["path"][:8], note["note"]) for note in line["notes"]}
    )


@pytest.mark.parametrize("wrap", [lambda text: text, lambda text: {"a": [text]}])
def test_giant_text_is_sliced_first(measure_value, recording, wrap):
    """F97: of 100 MB of text a quarter of one is looked at; nothing else is copied."""
    value = wrap("x" * (100 * 1_000_000))

    seen, held = measure_value(recording, value)

    assert held < 12 * MB
    assert ("truncated", 100_000_000) == (seen.note["note"], seen.note["characters"])
    assert len(seen.line) < 264_000


def test_giant_keys_are_sliced_first(measure_value, recording):
    """F97: so is a key of 100 MB, and the name of a field."""
    value = {"k" * 50_000_000: 1}

    seen, held = measure_value(recording, value)

    (key,) = seen.value
    assert 262_144 == len(key)
    assert held < 12 * MB


def test_of_many_long_keys_those_that_fit_are_read(measure_value, recording):
    """F97: keys that a value has no room for together are not searched for secrets."""
    value = {f"{number} " + "k" * 20_000: number for number in range(2_000)}

    seen, held = measure_value(recording, value)

    assert seen.value.items() <= value.items()
    assert {"items": 2_000, "kept": len(seen.value)}.items() <= seen.notes[-1].items()
    assert held < 12 * MB


MILLION = 1_000_000
# Where a million take long to make, fewer prove the same.
FEWER = 300_000
MANY = {
    "list": lambda: [None] * MILLION,
    "tuple": lambda: (None,) * MILLION,
    "deque": lambda: collections.deque([None] * MILLION),
    "bytes": lambda: bytes(MILLION),
    "dataclass": lambda: Node("a", children=[None] * MILLION),
    "range list": lambda: list(range(FEWER)),
    "set": lambda: set(range(FEWER)),
    "dict": lambda: dict.fromkeys(range(FEWER)),
    "text keys": lambda: dict.fromkeys(map(str, range(FEWER))),
    "view": lambda: dict.fromkeys(range(FEWER)).keys(),
    "tuple subclass": lambda: type("Pair", (tuple,), {})(range(FEWER)),
    "list subclass": lambda: type("Rows", (list,), {})(range(FEWER)),
}


@pytest.mark.parametrize("name", MANY)
def test_of_a_million_items_the_first_are_kept(measure_value, recording, name):
    """F98: of a million items 10,000 are kept, said, and no other is copied."""
    value = MANY[name]()
    count = len(getattr(value, "children", value))

    seen, held = measure_value(recording, value)

    assert held < 6 * MB
    note = seen.notes[-1]
    if name == "bytes":
        assert count == note["bytes"]
    else:
        assert (count, 10_000) == (note["items"], note["kept"])
    assert len(seen.line) < 400_000


def test_many_large_texts_are_bounded_together(measure_value, recording):
    """A list that names one text of 200 kB 10,000 times is a list of a few."""
    value = ["x" * 200_000] * 10_000

    seen, held = measure_value(recording, value)

    assert held < 24 * MB
    assert 6 == len(seen.value)
    assert len(seen.line) < 1.01 * MB


# -- each limit, exactly -------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 10, 1_000])
@pytest.mark.parametrize("odd", [False, True], ids=["short way", "long way"])
def test_text_is_kept_to_the_character(recorder_of, show_value, limit, odd):
    """A text of as many characters as the limit is whole; of one more it is cut."""
    recording = recorder_of(limits=Limits(string=limit), redact=False)
    beside = [object()] if odd else []

    whole = show_value(recording, ["é" * limit, *beside])
    cut = show_value(recording, ["é" * (limit + 1), *beside])

    assert "é" * limit == whole.value[0] == cut.value[0]
    assert not [note for note in whole.notes if note["note"] != "opaque"]
    assert {
        "path": "[0]",
        "note": "truncated",
        "characters": limit + 1,
    } == cut.notes[0]


@pytest.mark.parametrize("limit", [1, 2, 10, 1_000])
@pytest.mark.parametrize("make", [list, tuple, set, dict.fromkeys, frozenset])
def test_items_are_kept_to_the_item(recorder_of, show_value, limit, make):
    """As many items as the limit are kept of any container; one more is cut."""
    recording = recorder_of(limits=Limits(items=limit))

    whole = show_value(recording, make(range(limit)))
    cut = show_value(recording, make(range(limit + 1)))

    assert [limit, limit] == [len(whole.value), len(cut.value)]
    assert "truncated" not in {note["note"] for note in whole.notes}
    assert {
        "path": "",
        "note": "truncated",
        "items": limit + 1,
        "kept": limit,
    } == cut.notes[-1]


def test_fields_are_items_too(recorder_of):
    """A step of more fields than the limit keeps the first, and says so."""
    recording = recorder_of(limits=Limits(items=3))
    with step("scan", **{f"field{n}": n for n in range(5)}):
        pass

    line = recording.one("scan")
    assert {"field0": 0, "field1": 1, "field2": 2} == line["context"]
    note = {"path": "$.context", "note": "truncated", "items": 5, "kept": 3}
    assert [note] == line["notes"]


VALUES = {
    "text": "x" * 15_000,
    "escapes": "\x00" * 5_000,
    "quotes": '"' * 5_000,
    "surrogates": "\ud800" * 5_000,
    "numbers": list(range(5_000)),
    "floats": [n / 7 for n in range(5_000)],
    "texts": ["word"] * 5_000,
    "dictionaries": [{"key": n, "other": [n]} for n in range(2_000)],
    "keys": {f"key{n}": None for n in range(5_000)},
    "objects": [object()] * 2_000,
    "huge numbers": [10**300] * 500,
    "bytes": [b"abc"] * 500,
    "nested": [nested(20) for _ in range(500)],
    "dataclasses": [Node(f"n{n}") for n in range(2_000)],
    "odd keys": dict.fromkeys(range(5_000)),
    "deep text": [[[["\x00é\ud800" * 4_000]]]],
}


@pytest.mark.parametrize("limit", [100, 257, 1_000, 9_999])
@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_within_its_bytes(name, limit):
    """The JSON of a value is never longer than the limit, nor much shorter; noted."""
    capture = Capture(Limits(value_bytes=limit), None)
    assert capture.plain(VALUES[name]) is None

    captured = capture.full(VALUES[name], "$.value")

    assert len(captured.text) <= limit
    assert len(captured.text) >= 0.65 * limit - 420
    assert "truncated" in {note["note"] for note in captured.notes}
    parse_line(captured.text.encode())


@pytest.mark.parametrize("limit", [1, 2, 3, 10, 50])
@pytest.mark.parametrize("name", VALUES)
def test_bytes_for_nothing_at_all(name, limit):
    """With hardly any bytes a value is nothing at all, and said to be."""
    captured = Capture(Limits(value_bytes=limit), None).full(VALUES[name], "$")

    assert len(captured.text) <= max(limit, len("null"))
    assert "truncated" in {note["note"] for note in captured.notes}
    parse_line(captured.text.encode())


def test_notes_are_counted_beyond_a_hundred(recording):
    """Of 5,000 notes in one step two hundred are kept, the others counted."""
    with step("scan", values=[object()] * 2_000, more=[object()] * 500) as scan:
        for _ in range(10):
            scan.log(values=[object()] * 250)

    notes = recording.one("scan")["notes"]
    assert 201 == len(notes)
    assert {"note": "more notes", "count": 4_800} == notes[-1]


def test_generators_are_within_the_bytes_of_a_value(recorder_of):
    """The items of a generator are together no longer than one value; counted all."""
    recording = recorder_of(limits=Limits(value_bytes=10_000))

    @traced(name="stream")
    def stream():
        for _ in range(50):
            yield "x" * 3_000

    assert 50 == len(list(stream()))
    line = recording.one("stream")
    assert 50 == line["result"]["count"]
    assert len(str(line["result"]["items"])) < 10_100
    assert "truncated" in {note["note"] for note in line["notes"]}


def test_limits_do_not_cut_what_fits(tmp_path):
    """A step that fits all limits is the same whatever they are."""
    shown = []
    for limits in (Limits(), Limits(32, 50, 500, 5_000, 50_000)):
        with Tracer("agent", trace_dir=tmp_path, limits=limits) as tracer:
            with step("scan", value=["x" * 100] * 10, odd=(1, {2})) as scan:
                scan.log(a=1).set_result({"b": None})
            (line,) = tracer.path.read_bytes().split(b"\n")[:-1]
        parsed = parse_line(line)
        shown.append([parsed["context"], parsed["logs"][0]["a"], parsed["result"]])

    assert shown[0] == shown[1]


def test_limits_that_no_machine_reaches_are_none(recorder_of, show_value):
    """A limit beyond all sizes keeps everything, as its user means it to."""
    most = 1 << 80
    limits = Limits(most, most, most, most, most)
    value = {"set": {1}, "queue": collections.deque([2]), "keys": {3: "a"}}

    seen = show_value(recorder_of(limits=limits), value)

    assert {"set": [1], "queue": [2], "keys": {"3": "a"}} == seen.value
    assert ["replaced"] == [note["note"] for note in seen.notes]
