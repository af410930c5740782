"""
What a line says at a glance is what it says when it is decoded, or nothing.
"""

from __future__ import annotations

import json
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trace_lines import HEADER, encoded, fields

from ai_trace import _glance, reading
from ai_trace._record import StepRecord, TraceLineError, encode_line
from ai_trace._tree import Problem
from ai_trace._walk import Walk


def looks():
    """Return every way to look at a line that this environment has."""
    found = [pytest.param(_glance._by_expression(), id="expression")]
    try:
        import msgspec
    except ImportError:
        return found
    return [*found, pytest.param(_glance._by_msgspec(msgspec), id="msgspec")]


each_look = pytest.mark.parametrize("look", looks())

SAID = (
    "name kind id parent_id seq started_at finished_at duration_ms outcome "
    "context result".split()
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=4)


def glance(look, line):
    """Return what a look at one line sees."""
    (seen,) = look(line, [line])
    if seen is not None:
        seen.line = line
    return seen


def plain(**more):
    """Return a line as a tracer writes it: each key in its place."""
    line = fields(1)
    logs = line.pop("logs")
    return {**line, "logs": logs, **more}


def said(step):
    """Return all that a step says."""
    return {key: getattr(step, key) for key in SAID}


def why_damaged(line):
    """Return what is wrong with a line, empty if nothing is."""
    try:
        StepRecord.from_line(line)
    except TraceLineError as exc:
        return str(exc)
    return ""


def check(look, line):
    """See that a look at a line is right, if it is taken at all."""
    seen = glance(look, line)
    if seen is not None:
        assert said(StepRecord.from_line(line)) == said(seen)
    return seen


@each_look
def test_plain_lines_are_not_decoded(look):
    """A line as tracers write it is looked at, and says what the record says."""
    lines = [
        plain(),
        plain(parent_id="f" * 16, context={"a": [1, {"b": None}]}, result={"x": [1]}),
        plain(name='a "quoted" Ünicode\\name', error="E: \n", outcome="error"),
        plain(logs=[{"_t": 1.5, "signal": -0.87e-5}], traceback="x", result=None),
        plain(notes=[{"path": "$.context.a", "note": "truncated", "bytes": 7}]),
    ]
    for line in lines:
        assert check(look, encode_line(line)) is not None


@each_look
@given(context=OBJECTS, log=OBJECTS, result=VALUES, name=st.text(), error=st.text())
def test_any_values(look, context, log, result, name, error):
    """Whatever the values are, a glance and the record say the same."""
    line = plain(name=name, context=context, logs=[log], error=error, result=result)
    try:
        check(look, encode_line(line))
    except TraceLineError:
        pytest.fail("A line was taken for plain that is damaged.")


@each_look
@given(
    flips=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=3),
    cuts=st.lists(st.integers(0, 600), max_size=2),
)
def test_any_damage(look, flips, cuts):
    """A line with bytes changed or lost is plain only if it can be decoded, too."""
    sound = plain(context={"symbol": "BTC", "deep": [{"x": [1, 2.5e3]}]}, error="é\\")
    data = bytearray(encode_line({**sound, "logs": [{"_t": 1.0, "a": "\n"}]}))
    for at, value in flips:
        data[at % (len(data) - 1)] = value
    for at in cuts:
        del data[at % (len(data) - 1) : at % (len(data) - 1) + 7]
    line = bytes(data).replace(b"\n", b"") + b"\n"
    said_of_it = why_damaged(line)
    if not said_of_it:
        check(look, line)
    elif "stands twice" not in said_of_it:
        assert glance(look, line) is None


UNUSUAL = {
    "with a header": encoded({**fields(1), "session": HEADER}),
    "without its end": encode_line(plain())[:-1],
    "not UTF-8": encode_line(plain()).replace(b"BTCUSDT", b"BTC\xff"),
    "control character": encode_line(plain()).replace(b"BTCUSDT", b"BTC\x00"),
    "two lines as one": encode_line(plain())[:150] + encode_line(plain()),
    "twice": encode_line(plain())[:-1] + encode_line(plain()),
    "logs of numbers": encode_line(plain(logs=[1])),
    "context as list": encode_line(plain(context=[])),
    "comma too many": encode_line(plain()).replace(b'"BTCUSDT"}', b'"BTCUSDT",}'),
    "comma too few": encode_line(plain(context={"a": 1, "b": 2})).replace(
        b'1,"b"', b'1"b"'
    ),
    "leading zero": encode_line(plain(context={"a": 1})).replace(b":1}", b":01}"),
    "NaN": encode_line(plain(context={"a": 1})).replace(b":1}", b":NaN}"),
    "beyond all time": encode_line(plain()).replace(b":500.0", b":1e999"),
    "a number of many digits": encode_line(plain(context={"a": "1"})).replace(
        b'"1"', b"1" * 5_000
    ),
    "deep": encode_line(plain(context={"a": "1"})).replace(
        b'"1"', b"[" * 450 + b"]" * 450
    ),
}


@each_look
@pytest.mark.parametrize("line", UNUSUAL.values(), ids=UNUSUAL.keys())
def test_what_is_not_plain_is_left_to_the_decoder(look, line):
    """Whatever is unusual is not judged at a glance."""
    assert glance(look, line) is None


@each_look
def test_a_late_failure_takes_linear_time(look):
    """A line that fails at its end takes no more than its length."""
    # Were it quadratic, the limit on a test's time would end it.
    values = [{"a": [1, 2]}, "x" * 5, 1.5] * 2_400
    line = encode_line(plain(context={"values": values}))

    assert 50_000 < len(line) < 64 * 1024
    assert glance(look, line[:-2] + b"!\n") is None


def test_a_key_that_stands_twice(tmp_path):
    """In a large file it is not seen; the last one counts, and the step is shown."""
    twice = encode_line(plain(context={"a": 1})).replace(b'"a":1', b'"a":1,"a":2')
    lines = [encode_line(plain(seq=n)) for n in range(600)]
    path = tmp_path / "bot_20240301_143022.jsonl"
    path.write_bytes(b"".join(lines) + twice)

    session = reading.read(path)

    assert 128 * 1024 < path.stat().st_size
    assert [] == [each for each in session.problems if each.kind == "damaged"]
    assert {"a": 2} in [step.context for step in session.steps]


@each_look
def test_a_line_that_may_unfold_is_decoded(look):
    """A line of more than a mebibyte is decoded: it may be too large to show."""
    for size, is_seen in ((1_000, True), (1024 * 1024, False)):
        line = encode_line(plain(result="x" * size))
        assert is_seen == (glance(look, line) is not None)
        sound = encode_line(plain())
        lines = [sound, line, sound]
        seen = [each is not None for each in look(b"".join(lines), lines)]
        assert [True, is_seen, True] == seen


@each_look
def test_many_lines_at_once(look):
    """Lines that are looked at together are seen as each of them by itself."""
    sound = [encode_line(plain(seq=n)) for n in range(5)]
    joined = [sound[0][:-1] + sound[1], b'{"name":"a",\n', b'"outcome":"ok"}\n']
    for lines in (
        sound,
        [*sound, *UNUSUAL.values()],
        [*sound, b"\n", *sound],
        [sound[0], b"\n"],
        [*sound, *joined],
        [sound[0][:-1] + sound[0], b"{\n", sound[0][1:]],
        [sound[0][:-1] + b" " + sound[0], b'{"name":"a","outcome":"ok"}\n'[:13]],
    ):
        each = [glance(look, line) is not None for line in lines]
        assert each == [seen is not None for seen in look(b"".join(lines), lines)]


def test_figures_are_those_of_the_records(tmp_path):
    """Glances over a file, damage and all, count what its records count."""
    lines = [encode_line(plain(name=f"n{n % 7}", seq=n)) for n in range(2_000)]
    lines[0] = encoded({**fields(0), "session": HEADER})
    lines[700] = b"damaged\n"
    lines[1400] = lines[1400][:99] + b"\n"
    lines[-1] = lines[-1][:-1]
    path = tmp_path / "bot_20240301_143022.jsonl"
    path.write_bytes(b"".join(lines))

    full = list(reading.records(path))
    fast = list(chain.from_iterable(reading.batches(path)))

    assert [item for item in full if isinstance(item, Problem)] == [
        item for item in fast if isinstance(item, Problem)
    ]
    assert [said(item) for item in full if not isinstance(item, Problem)] == [
        said(item) for item in fast if not isinstance(item, Problem)
    ]
    assert any(not isinstance(item, (StepRecord, Problem)) for item in fast)


@each_look
def test_times_are_of_one_type(look):
    """A whole number of seconds is told as the same text, looked at or decoded."""
    times = {"started_at": 1, "finished_at": 3, "duration_ms": 2_000}
    line = encode_line(plain(**times))
    seen, record = glance(look, line), StepRecord.from_line(line)

    assert seen is not None
    for key in times:
        assert repr(getattr(seen, key)) == repr(getattr(record, key))


def test_the_rest_is_decoded_when_it_is_asked_for():
    """Context and result of a plain line are there, as for the figures of calls."""
    line = encode_line(plain(context={"model": "m"}, result={"usage": {"x": 1}}))
    seen = glance(_glance.glancer(), line)

    assert seen is not None
    assert json.loads(line)["context"] == seen.context
    assert {"usage": {"x": 1}} == seen.result


@each_look
def test_what_may_unfold_beyond_the_memory_is_decoded(look):
    """A line that no step fills by default is not taken at a glance."""
    assert glance(look, encode_line(plain(result="x" * 100))) is not None
    assert glance(look, encode_line(plain(result="x" * (4 * 1024 * 1024)))) is None


# --- the first line, with the header behind it ---------------------------------------

FIRST = encode_line({**plain(), "session": HEADER})
HEADS = {
    "as written": FIRST,
    "with spaces": encoded({**plain(), "session": HEADER}),
    "a key that is not known": encode_line(
        {**plain(), "session": {**HEADER, "x": [1]}}
    ),
    "newer": encode_line({**plain(), "session": {**HEADER, "format": 99}}),
    "of no number": encode_line({**plain(), "session": {**HEADER, "format": "1"}}),
    "no object": FIRST.replace(b'"session":{', b'"session":[{').replace(b"}}", b"}]}"),
    "null": encode_line({**plain(), "session": None}),
    "beyond all time": FIRST.replace(b"1709303422.0}}", b"1e999}}"),
    "after all time": FIRST.replace(b"1709303422.0}}", b"1e15}}"),
    "NaN": FIRST.replace(b'"pid":7', b'"pid":NaN'),
    "a key of it twice": FIRST.replace(b'"pid":7', b'"pid":7,"pid":8'),
    "twice": FIRST.replace(b',"session"', b',"session":{"format":1},"session"'),
    "inside": encode_line(plain(context={"a": 1, "session": {"format": 1}})),
    "inside, at the end": encode_line(plain(result={"a": 1, "session": {"format": 1}})),
    "in a text": encode_line(plain(error=',"session":{"format":1}}')),
    "comma too many": FIRST.replace(b"}}\n", b"},}\n"),
    "brace too many": FIRST.replace(b"}}\n", b"}}}\n"),
    "more behind it": FIRST.replace(b"}}\n", b'},"later":{}}\n'),
    "damaged step": FIRST.replace(b'"BTCUSDT"', b'"BTCUSDT'),
    "not UTF-8": FIRST.replace(b"bot", b"b\xfft"),
    "torn": FIRST[:-9] + b"\n",
    "alone": encode_line({"session": HEADER}),
    "after a mark": b"\xef\xbb\xbf" + FIRST,
}


def walked(path, look):
    """Return all that the lines of a file say, by a look or decoded."""
    found = [item for some in Walk([path], None).batches(look) for item in some]
    return [
        item if isinstance(item, Problem) else (said(item), item.header)
        for item in found
    ]


@each_look
@pytest.mark.parametrize("first", HEADS.values(), ids=HEADS.keys())
def test_a_line_with_a_header(tmp_path, look, first):
    """A line with a header says at a glance what it says decoded, the header too."""
    path = tmp_path / "bot_20240301_143022.jsonl"
    for lines in ([first], [first, encode_line(plain(seq=1))], [first, first]):
        path.write_bytes(b"".join(lines))

        assert walked(path, None) == walked(path, look)


@each_look
@given(
    flips=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=3),
    cut=st.integers(0, 600),
)
def test_any_damage_to_a_line_with_a_header(tmp_path_factory, look, flips, cut):
    """However it is damaged, the same is said of it, but of a key that stands twice."""
    data = bytearray(FIRST)
    for at, value in flips:
        data[at % (len(data) - 1)] = value
    del data[cut % (len(data) - 1) : cut % (len(data) - 1) + cut % 3]
    path = tmp_path_factory.mktemp("any") / "bot_20240301_143022.jsonl"
    path.write_bytes(bytes(data) + encode_line(plain(seq=1)))
    decoded = walked(path, None)

    if "stands twice" not in str(decoded):
        assert decoded == walked(path, look)


def test_a_key_that_stands_twice_in_a_line_with_a_header(tmp_path):
    """As in any other line of a large file the last one counts, and it is shown."""
    twice = FIRST.replace(b'{"symbol"', b'{"symbol":1,"symbol"')
    lines = [encode_line(plain(seq=n)) for n in range(600)]
    path = tmp_path / "bot_20240301_143022.jsonl"
    path.write_bytes(twice + b"".join(lines))

    session = reading.read(path)

    assert [] == [each for each in session.problems if each.kind == "damaged"]
    assert {"BTCUSDT"} == {step.context["symbol"] for step in session.steps}
