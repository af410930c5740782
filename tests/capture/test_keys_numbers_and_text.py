"""Keys of any type, numbers that JSON has no word for, and text that is no Unicode."""

from __future__ import annotations

import decimal
import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nasty_classes import Colour, Word
from nasty_values import NASTY_TEXT, nasty_keys, nasty_text
from recorded import parse_line

from ai_trace import Tracer, reading, step
from ai_trace._capture import Capture
from ai_trace._limits import Limits


KEYS = [
    pytest.param(None, "null", "NoneType", id="None"),
    pytest.param(True, "true", "bool", id="bool"),
    pytest.param(7, "7", "int", id="int"),
    pytest.param(0.5, "0.5", "float", id="float"),
    pytest.param(math.nan, "NaN", "float", id="NaN"),
    pytest.param(("a", 1), '["a",1]', "tuple", id="tuple"),
    pytest.param(frozenset({2, 1}), "[1,2]", "frozenset", id="frozenset"),
    pytest.param(Colour.RED, "Colour.RED", "nasty_classes.Colour", id="enum"),
    pytest.param(decimal.Decimal("1.10"), "1.10", "decimal.Decimal", id="Decimal"),
    pytest.param(int, "<class int>", "type", id="class"),
]


@pytest.mark.parametrize(("key", "shown", "name"), KEYS)
def test_keys_become_text(show, key, shown, name):
    """F89: a key that is no text is shown as its value would be, and noted."""
    seen = show({"before": 0, key: 1})

    assert {"before": 0, shown: 1} == seen.value
    note = {"path": "", "note": "replaced", "what": "keys", "type": name, "count": 1}
    assert note == seen.notes[-1]


def test_keys_of_text_by_another_class(show):
    """F89: a key whose class is a kind of text is that text, as json has it."""
    assert {"buy": 1} == show({Word.BUY: 1}).value
    assert {"buy": 1, "x": "<object>"} == show({Word.BUY: 1, "x": object()}).value


def test_keys_of_bytes(show):
    """F89: a key of bytes is shown with its bytes, not left out."""
    seen = show({b"k": 1})

    (key,) = seen.value
    assert '"bytes":1' in key and '"head":"aw=="' in key


COLLISIONS = [
    pytest.param({1: "a", "1": "b"}, {"1#int": "a", "1": "b"}, id="int first"),
    pytest.param({"1": "b", 1: "a"}, {"1": "b", "1#int": "a"}, id="text first"),
    pytest.param(
        {None: 1, "null": 2, "null#NoneType": 3},
        {"null#NoneType2": 1, "null": 2, "null#NoneType": 3},
        id="twice over",
    ),
    pytest.param(
        {"\ud800": 1, "\\ud800": 2}, {"\\ud800#str": 1, "\\ud800": 2}, id="surrogate"
    ),
    pytest.param(
        {1: 1, 1.5: 2, "1.5": 3, (1.5,): 4, "[1.5]": 5},
        {"1": 1, "1.5#float": 2, "1.5": 3, "[1.5]#tuple": 4, "[1.5]": 5},
        id="many",
    ),
]


@pytest.mark.parametrize(("value", "shown"), COLLISIONS)
def test_keys_that_look_alike_are_all_kept(show, value, shown):
    """F90: of keys that are shown alike each is kept; text keeps its own name."""
    seen = show(value)

    assert shown == seen.value
    assert list(shown) == list(seen.value)


def test_ten_thousand_keys_that_look_alike(show):
    """F90: giving each its own name takes a step a key, not a step a pair of keys."""
    value = {object(): n for n in range(10_000)}

    seen = show(value)

    assert list(range(10_000)) == list(seen.value.values())
    assert "<object>#object9999" in seen.value


@given(st.dictionaries(nasty_keys(), st.integers(0, 9), max_size=8))
def test_no_entry_is_lost_to_its_key(value):
    """F89, F90: whatever the keys are, each entry of a dictionary is shown once."""
    captured = Capture(Limits(), None).full(value, "$")

    assert list(value.values()) == list(parse_line(captured.text.encode()).values())


NUMBERS = [
    pytest.param(math.nan, "NaN", id="NaN"),
    pytest.param(math.inf, "Infinity", id="infinity"),
    pytest.param(-math.inf, "-Infinity", id="minus infinity"),
]


@pytest.mark.parametrize(("value", "shown"), NUMBERS)
def test_numbers_that_json_has_no_word_for(show, value, shown):
    """F91: NaN and the infinities are text with a note, wherever they stand."""
    seen = show({"leaf": value, "inner": [{"leaf": (value,)}]})

    assert {"leaf": shown, "inner": [{"leaf": [shown]}]} == seen.value
    assert [("replaced", "number")] * 2 == [(n["note"], n["what"]) for n in seen.notes]


def test_nan_is_never_null(show):
    """F91: a NaN is no null, beside a null or alone."""
    assert [None, "NaN"] == show([None, math.nan]).value


WHOLE = [0, -1, 2**53 + 1, -(2**63), 2**63, 2**64 - 1]


@pytest.mark.parametrize("value", WHOLE, ids=hex)
def test_whole_numbers_stay_numbers(show, value):
    """F92: whole numbers of 64 bits are exact, without a note."""
    seen = show(value)

    assert value == seen.value
    assert type(seen.value) is int
    assert [] == seen.notes


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 10**40, -(10**300)], ids=hex)
def test_large_whole_numbers_are_text(show, value):
    """F92: whole numbers of more bits are all their digits as text, with a note."""
    seen = show(value)

    assert str(value) == seen.value
    assert ("integer", value.bit_length()) == (seen.note["what"], seen.note["bits"])


@pytest.mark.parametrize("exponent", [5_000, 1_000_000])
def test_huge_whole_numbers_are_measured(show, exponent):
    """F92: of a number whose digits would take long the size is shown."""
    bits = (10**exponent).bit_length()

    seen = show(10**exponent)

    assert f"<int of {bits} bits>" == seen.value
    assert bits == seen.note["bits"]


@pytest.mark.parametrize("value", [-0.0, 5e-324, 1.7976931348623157e308, 0.1, 1e16])
def test_floats_are_exact(show, value):
    """A float is read back as the same float."""
    seen = show(value).value

    assert (value, math.copysign(1, value)) == (seen, math.copysign(1, seen))


@pytest.mark.parametrize("text", NASTY_TEXT, ids=ascii)
def test_any_text_is_kept(show, text):
    """F93 to F95: any text is kept; what is no Unicode as its escape, with a note."""
    seen = show({"leaf": text, "keys": {text: 1}})

    readable = text.encode("utf-8", "backslashreplace").decode()
    assert {"leaf": readable, "keys": {readable: 1}} == seen.value
    is_broken = readable != text
    assert ["surrogates"] * 2 * is_broken == [note["what"] for note in seen.notes]
    assert b"\n" not in seen.line


def test_surrogates_everywhere(recorder_of):
    """F93: one lone surrogate costs itself, in whatever part of a record it stands."""
    bad = "a\ud83eb"
    recording = recorder_of(meta={bad: [bad]})
    cls = type("Odd", (), {"__module__": bad})
    with pytest.raises(ValueError), step(bad, **{bad: cls()}) as odd:
        odd.log(**{bad: bad}).set_result(f"{bad} result")
        raise ValueError(bad)
    with step("good"):
        pass

    first, good = recording.lines
    shown = "a\\ud83eb"
    assert "good" == good["name"]
    assert (shown, f"{shown} result") == (first["name"], first["result"])
    assert {shown: f"<{shown}.Odd>"} == first["context"]
    assert shown == first["logs"][0][shown]
    assert f"ValueError: {shown}" == first["error"]
    assert f"ValueError: {shown}\n" in first["traceback"]
    assert {shown: [shown]} == first["session"]["meta"]
    assert {"$.name", "$.error", "$.traceback", "$.result"} < {
        note["path"] for note in first["notes"]
    }
    assert 2 == len(reading.read(recording.tracer.path).steps)


@given(nasty_text(), nasty_text(), nasty_text())
def test_names_and_fields_of_any_text(tmp_path_factory, name, field, value):
    """F93 to F95: a step of any name with fields of any name is one strict line."""
    with Tracer("agent", trace_dir=tmp_path_factory.mktemp("traces")) as tracer:
        with step(name, **{field: value, field + "\ud800": 1}) as odd:
            odd.log(**{field: value, "_t": 1, "_t#given": 2})

        (line,) = tracer.path.read_bytes().split(b"\n")[:-1]
    parsed = parse_line(line)
    assert 2 == len(parsed["context"])
    assert 1.5e9 < parsed["logs"][0]["_t"] < 1e11
    assert {1, 2} <= {n for n in parsed["logs"][0].values() if isinstance(n, int)}


def test_names_that_are_cut_stay_apart(recording):
    """Two fields whose long names begin alike are both kept."""
    names = ["n" * 5_000 + end for end in "ab"]
    with step("scan", **{names[0]: 1, names[1]: 2, "x": object()}):
        pass

    shown = recording.one("scan")["context"]
    assert [1, 2, "<object>"] == list(shown.values())
    assert ["n" * 1_000, "n" * 1_000 + "#name", "x"] == list(shown)


@pytest.mark.skipif(
    not hasattr(sys, "set_int_max_str_digits"), reason="this Python has no such limit"
)
def test_numbers_without_a_limit_of_digits(show):
    """F92: where a program lifts that limit, the digits are not computed either."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        assert show(10**1_000_000).value.startswith("<int of ")
    finally:
        sys.set_int_max_str_digits(before)
