"""Whatever a value is, its record is strict JSON within the limits; and says so."""

from __future__ import annotations

import json
import math
import sys

import nasty_values
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from nasty_classes import TOUCHED
from nasty_values import NASTY_OBJECTS, NASTY_TEXT
from recorded import parse_line

from ai_trace import Limits, Redaction, Tracer, reading, step
from ai_trace._capture import Capture
from ai_trace._encode import plain_codec


LIMITS = st.builds(
    Limits,
    depth=st.integers(1, 40),
    items=st.integers(1, 30),
    string=st.integers(1, 100),
    value_bytes=st.integers(20, 5_000),
)


def shape(value):
    """Return the depth, the most items and the longest text of a parsed value."""
    if isinstance(value, dict):
        inner = [shape(child) for pair in value.items() for child in pair]
    elif isinstance(value, list):
        inner = [shape(child) for child in value]
    else:
        return 0, 0, len(value) if isinstance(value, str) else 0
    depths, counts, lengths = zip(*inner) if inner else ((0,), (0,), (0,))
    return 1 + max(depths), max(*counts, len(value)), max(lengths)


def capture_of(capture, value):
    """Capture a value as a step does: the short way, or else the long one."""
    text = capture.plain(value)
    if text is not None:
        return parse_line(text.encode()), []
    text, notes = capture.full(value, "$")
    return parse_line(text.encode()), notes


@given(nasty_values.nasty_values(), LIMITS, st.booleans())
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
def test_any_value_is_strict_and_within_limits(make, limits, redacted):
    """Any value at all becomes strict JSON within each limit; notes are JSON too."""
    capture = Capture(limits, Redaction() if redacted else None)
    value = make()
    TOUCHED.clear()

    shown, notes = capture_of(capture, value)

    depth, items, _ = shape(shown)
    assert depth <= limits.depth
    # The first items of an array, the parts of bytes, are not items of the program's.
    assert items <= max(limits.items, 5)
    text = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
    assert len(text) <= max(limits.value_bytes, len("null"))
    assert notes == json.loads(json.dumps(notes, allow_nan=False))
    assert [] == TOUCHED


@given(nasty_values.nasty_values())
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_capturing_what_was_captured_changes_nothing(make):
    """What was read back and is captured again stays as it is."""
    capture = Capture(Limits(), None)

    once, _ = capture_of(capture, make())
    twice, notes = capture_of(capture, once)

    assert once == twice
    assert [] == notes


@given(nasty_values.nasty_values(max_leaves=8), nasty_values.nasty_values(max_leaves=8))
@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
def test_any_values_in_one_step(tmp_path_factory, make, make_other):
    """A step of any values is one line that all readers read, next to its good ones."""
    value, other = make(), make_other()
    with Tracer("agent", trace_dir=tmp_path_factory.mktemp("traces")) as tracer:
        with step("scan", before=1, value=value, after="good") as scan:
            scan.log(other=other, good=[1.5]).set_result([value, other, "good"])

        (line,) = tracer.path.read_bytes().split(b"\n")[:-1]
    parsed = parse_line(line)
    assert (1, "good") == (parsed["context"]["before"], parsed["context"]["after"])
    assert [1.5] == parsed["logs"][0]["good"]
    assert 3 == len(parsed["result"]) and "good" == parsed["result"][2]
    session = reading.read(tracer.path)
    assert ([], 1) == (list(session.problems), len(session.steps))
    assert {} == tracer.health()


def test_all_of_them_in_one_call(recording):
    """F104: every nasty value in one step costs no other value, no step and no line."""
    values = {name: make() for name, make in NASTY_OBJECTS.items()}
    values.update((f"text {n}", text) for n, text in enumerate(NASTY_TEXT))
    TOUCHED.clear()

    with step("scan", **values, good=1) as scan:
        for name, value in values.items():
            scan.log(value=value, name=name, good=2)
        scan.set_result([values, "good"])

    line = recording.one("scan")
    assert [*values, "good"] == list(line["context"])
    assert 1 == line["context"]["good"]
    assert [2] * len(values) == [entry["good"] for entry in line["logs"]]
    assert list(values) == list(line["result"][0])
    assert "good" == line["result"][1]
    assert {} == recording.tracer.health()
    assert [] == TOUCHED


# -- the fast way and the other --------------------------------------------------------

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | nasty_values.nasty_text(),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(nasty_values.nasty_text(), inner, max_size=5)
    ),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def encoders():
    """The standard library's way, and the extra's, which has to be installed."""
    pytest.importorskip("msgspec", reason="msgspec, the extra `fast`, is not installed")
    ways = []
    for hidden in (True, False):
        with pytest.MonkeyPatch.context() as patched:
            if hidden:
                patched.setitem(sys.modules, "msgspec", None)
            plain_codec.cache_clear()
            ways.append(Capture(Limits(), None))
            # How each of the two writes this number tells which one it is.
            assert (b"[1e+16]" if hidden else b"[1e16]") == plain_codec()[0]([1e16])
    plain_codec.cache_clear()
    return ways


@given(make=PLAIN.map(nasty_values.constant) | nasty_values.nasty_values(max_leaves=10))
@example(make=nasty_values.constant([math.nan]))
@example(make=nasty_values.constant({"a": (math.inf, None)}))
@example(make=nasty_values.constant([2**64 - 1, -(2**63), 1e16, 1e-7, 5e-324, -0.0]))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_both_encoders_say_the_same(encoders, make):
    """With the extra and without it a record is read back as the same values."""
    value = make()

    slow, fast = (capture_of(way, value) for way in encoders)

    assert slow == fast


@given(PLAIN)
def test_values_of_json_come_back_as_they_were(value):
    """JSON's own types are read back equal; infinities and the like as text, noted."""
    capture = Capture(Limits(), None)
    shown, notes = capture_of(capture, value)

    if not notes:
        assert json.loads(json.dumps(value)) == shown


@given(st.floats())
def test_nan_is_never_null(value):
    """F91: no float becomes null, whichever encoder runs."""
    shown, _ = capture_of(Capture(Limits(), None), [value])

    assert shown[0] is not None
    assert isinstance(shown[0], str) or shown[0] == value
