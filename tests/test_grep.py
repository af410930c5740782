"""
``--grep``: a text is found where it stands, however the file writes it.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trace_lines import encoded, fields

from ai_trace._glance import glancer
from ai_trace._record import StepRecord
from ai_trace.cli._grep import Grep


def both(line):
    """Return the step of a line at a glance, if it is plain, and decoded."""
    (glance,) = glancer()(line, [line])
    if glance is not None:
        glance.line = line
    return [each for each in (glance, StepRecord.from_line(line)) if each is not None]


def found(text, line):
    """Return whether a step holds a text, however it was read."""
    told = {Grep(text)(each) for each in both(line)}
    assert 1 == len(told)
    return told.pop()


def recorded(value):
    """Return every text of a value, and every number and constant as Python does."""
    if isinstance(value, dict):
        return [
            text for pair in value.items() for each in pair for text in recorded(each)
        ]
    if isinstance(value, list):
        return [text for each in value for text in recorded(each)]
    return [str(value)]


@pytest.mark.parametrize(
    ("written", "texts"),
    [
        ('"a\\"b"', ['a"b', '"']),
        ('"C:\\\\temp"', ["c:\\temp", "\\"]),
        ('"a\\/b"', ["a/b", "/"]),
        ('"a\\nb"', ["a\nb", "\n"]),
        ('"\\u0042TC"', ["btc", "B"]),
        ('"\\ud83d\\ude00"', ["\U0001f600"]),
        ('"STRASSE"', ["straße", "ss"]),
        ('"Straße"', ["STRASSE", "SS"]),
        ('"ΟΔΟΣ"', ["οδος", "οδοσ"]),
        ("1e5", ["100000.0", "000"]),
        ("1E-5", ["1e-05", "05"]),
        ("0.30000000000000000001", ["0.3"]),
        ("-0", ["0"]),
        ("1e999", ["inf"]),
        ("true", ["True", "ru"]),
        ("false", ["False", "lse"]),
        ("null", ["none"]),
        ('{"k\\u0065y": [[{"deep": 7}]]}', ["key", "deep", "7"]),
    ],
)
def test_a_text_is_found_however_it_is_written(written, texts):
    """JSON has several ways to write a text or a number; each is looked for as read."""
    line = encoded(fields(0, context={"x": 0})).replace(b'"x": 0', b'"x": %b')
    line %= written.encode()
    assert [text for text in texts if not found(text, line)] == []


def test_what_is_not_there_is_not_found():
    """Neither the punctuation of JSON, nor ids, nor the text of two values is found."""
    line = encoded(fields(0, context={"a": "b", "c": "d"}))
    wrong = ['a": "b', "b, c", "bc", "outcome", "000000000000", "null", "\\", "step 1"]
    assert [text for text in wrong if found(text, line)] == []


@pytest.mark.parametrize("absent", ["none", "one", "NE"])
def test_what_was_not_recorded_is_not_found(absent):
    """A step without a result, an error or a function did not record ``None``."""
    line = encoded(fields(0, name="x", function=None, traceback=None))
    assert not found(absent, line)
    assert found(absent, encoded(fields(0, name="x", result=None)))
    assert found(absent, encoded(fields(0, name="x", context={"limit": None})))


_TEXT = st.text(
    st.sampled_from('aAßſİıé/\\"\n\x1f\x7f0159.-+eE ruls\U0001f600'), max_size=4
)
_LEAF = (
    _TEXT
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
)
_VALUE = st.recursive(
    _LEAF, lambda inner: st.lists(inner) | st.dictionaries(_TEXT, inner), max_leaves=5
)


@given(_VALUE, _TEXT, st.booleans())
def test_it_is_the_same_as_to_look_at_every_value(value, text, is_ascii):
    """No step that holds a text is passed over for its bytes, and no other is found."""
    step = fields(0, name="x", context={}, result=value)
    line = json.dumps(step, ensure_ascii=is_ascii).encode() + b"\n"
    said = [*recorded(value), "x"]
    expected = any(text.casefold() in each.casefold() for each in said)
    assert expected == found(text, line)
