"""Numbers that integrations have checked are recorded like any others."""

from __future__ import annotations

import pytest

from ai_trace import Limits, MemorySink, Redaction, Tracer
from ai_trace._checked import Checked
from ai_trace.integrations._fields import counts
from ai_trace.integrations._usage import usage


USAGE = {"input_tokens": 1, "output_tokens": None, "details": {"cached": 2.5}}


def checked(given):
    """Return a dictionary, and those inside it, as what was checked."""
    if type(given) is not dict:
        return given
    return Checked({name: checked(one) for name, one in given.items()})


def path_of(path, value):
    """Stand for a value by its place."""
    return path


def recorded(value, **settings):
    """Return what a step records of a value, in each place and depth."""
    memory = MemorySink()
    with Tracer("agent", auto_save=False, sinks=[memory], **settings) as tracer:
        with tracer.step("decide", usage=value, among=[[value], "text"]) as step:
            step.log(usage=value)
            step.set_result({"usage": value, "model": "m"})
    (record,) = memory.records
    return record.context, record.logs[0]["usage"], record.result, record.notes


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"redact": False},
        *({"limits": Limits(depth=depth)} for depth in range(1, 7)),
        *({"limits": Limits(items=items)} for items in (1, 2, 3, 99, 100)),
        *({"limits": Limits(string=string)} for string in (4, 12, 99, 100)),
        *({"limits": Limits(value_bytes=size)} for size in range(10, 90, 10)),
        {"redact": Redaction(keys=["output_tokens"])},
        {"redact": Redaction(keys=["cached"], patterns={"digit": "[0-9]"})},
        {"redact": Redaction(replace=path_of)},
    ],
    ids=lambda settings: repr(settings).partition(" at 0x")[0],
)
def test_they_are_recorded_like_any_others(settings):
    """Whatever the limits, and whatever the program says is a secret."""
    assert recorded(USAGE, **settings) == recorded(checked(USAGE), **settings)


def test_they_are_not_looked_at_again():
    """A name that would be a secret shows that nothing looks: that is what it saves."""
    context = recorded(Checked(password=1))[0]

    assert {"password": 1} == context["usage"]
    assert {"password": "[redacted:key]"} == recorded({"password": 1})[0]["usage"]


@pytest.mark.parametrize(
    "count", [(1 << 63) - 1, 1 << 63, -(1 << 63), 1 << 64, 10**400], ids=hex
)
def test_only_what_json_can_hold_is_checked(count):
    """A number that no usage has is looked at like all others."""
    is_small = count == (1 << 63) - 1

    assert (Checked if is_small else dict) is type(usage(count))


class Model:
    """
    A model such as pydantic makes, of the fields that were set.
    """

    __pydantic_extra__ = None

    def __init__(self, **given):
        self.__dict__.update(given)

    @property
    def __pydantic_fields_set__(self):
        return set(self.__dict__)

    def model_dump(self, **_):
        """Return its fields as plain JSON."""
        return {
            name: one.model_dump() if type(one) is Model else one
            for name, one in self.__dict__.items()
        }


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"details": Model(cached=1, more=None)}, Checked),
        ({"tier": "default"}, dict),
        ({"share": 0.5}, dict),
        ({"known": True}, dict),
        ({"big": 1 << 63}, dict),
        ({"details": Model(tier="default")}, dict),
        ({"details": {"cached": 1}}, dict),
        ({"details": [1]}, dict),
        ({f"n{n}": n for n in range(Checked.SMALL)}, dict),
    ],
)
def test_which_usage_is_checked(more, kind):
    """Numbers only, few of them: texts may hold anything."""
    model = Model(total=1, **more)

    assert kind is type(counts(model))
    assert model.model_dump() == counts(model)
