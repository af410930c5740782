"""
What is decoded by the extra ``fast`` is what the standard library decodes, or nothing.
"""

from __future__ import annotations

import importlib.util

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trace_lines import HEADER, fields

from ai_trace._header import SessionHeader
from ai_trace._plain_record import plain_decoder, plain_record
from ai_trace._record import StepRecord, TraceLineError, encode_line


SESSION = SessionHeader.from_dict(HEADER)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
INSERTED = st.sampled_from(
    [
        *(b'"', b"\\", b'\\"', b"\\u0022", b"\\ud800", b":", b",", b"{", b"}", b"["),
        *(b"]", b" ", b"\t", b"\r", b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"0"),
        *(b"1e999", b"NaN", b"-0", b"9" * 30, b"null", b'"name":"x",', b'"seq":true,'),
        *(b'"context":{},', b'"logs":[1],', b'"a":{"b":1,"b":2},', b'"session":{},'),
    ]
)


def written(**more):
    """Return a line with values of its own."""
    return encode_line({**fields(1), **more})


def as_decoded(line):
    """Return what a line is to those who decode it strictly."""
    try:
        record = StepRecord.from_line(line)
    except TraceLineError:
        return None
    return record.line, repr(record.fields)


def check(line):
    """Hold what is made of a line to what is made of it strictly."""
    record = plain_record(line, SESSION)

    assert record is None or as_decoded(line) == (record.line, repr(record.fields))


def test_a_line_is_decoded_where_the_extra_is():
    """The lines of a tracer are plain; without the extra none is."""
    lines = [written(), written(context={"said": 'a "quoted"\nline', "ünï": [1.50]})]
    plain = [plain_decoder()(line) is not None for line in lines]

    assert [importlib.util.find_spec("msgspec") is not None] * 2 == plain


@given(context=st.dictionaries(st.text(), VALUES, max_size=4), result=VALUES)
def test_any_values(context, result):
    """Whatever the values are, they are those that are decoded strictly."""
    check(written(context=context, result=result))


@given(inserted=st.lists(st.tuples(st.integers(0, 600), INSERTED), max_size=4))
def test_any_damage(inserted):
    """What stands where it should not is seen, or changes nothing."""
    line = bytearray(written(context={"a": {"b": [1, "x"]}}, logs=[{"_t": 1.5}]))
    for at, piece in inserted:
        place = at % (len(line) - 1)
        line[place:place] = piece
    check(bytes(line))


TWICE = {
    "in the step": b'{"name":"a","name":"b","outcome":"ok"}\n',
    "alike": b'{"name":"a","name":"a","outcome":"ok"}\n',
    "in a value": b'{"name":"a","outcome":"ok","context":{"b":[{"c":1,"c":2}]}}\n',
    "spelled apart": b'{"name":"a","outcome":"ok","context":{"b":1,"\\u0062":"x"}}\n',
    "beside a quote": b'{"name":"\\u0022","outcome":"ok","context":{"":1,"":2}}\n',
    "beside a space": b'{"name":"a","outcome":"ok","context":{"b" :1,"b": 2}}\n',
}


@pytest.mark.parametrize("line", TWICE.values(), ids=TWICE.keys())
def test_a_key_that_stands_twice_is_seen(line):
    """A line in which a key stands twice is left to the strict decoder."""
    assert plain_record(line, SESSION) is None


UNUSUAL = {
    "a header": written(session=HEADER),
    "no end": written()[:-1],
    "a carriage return": written()[:-1] + b"\r\n",
    "a list": b"[1]\n",
    "no step": b'{"name":"a"}\n',
    "deep": written(context={"a": "x"}).replace(b'"x"', b"[" * 450 + b"]" * 450),
    "digits": written(context={"a": "x"}).replace(b'"x"', b"1" * 5_000),
    "out of range": written(context={"a": "x"}).replace(b'"x"', b"1e999"),
}


@pytest.mark.parametrize("line", UNUSUAL.values(), ids=UNUSUAL.keys())
def test_what_is_unusual_is_left_to_the_strict_decoder(line):
    """A line is plain only if it is as tracers write it."""
    assert plain_record(line, SESSION) is None
