"""
Models, attrs classes and structs: read field by field, none of their code run.

All but a few of these tests run with pydantic 1 too, where that is installed.
"""

from __future__ import annotations

import dataclasses

import attrs
import numpy as np
import pydantic
import pytest
from nasty_classes import Hostile


IS_PYDANTIC_2 = pydantic.VERSION.startswith("2.")

if IS_PYDANTIC_2:
    from pydantic import v1 as pydantic_1
else:
    pydantic_1 = pydantic

touched: list[str] = []


@pytest.fixture(autouse=True)
def untouched():
    """No test here may run a serializer, validator or computed field of its models."""
    touched.clear()
    yield
    assert [] == touched


if IS_PYDANTIC_2:

    class Quote(pydantic.BaseModel):
        """A model all of whose ways out raise."""

        model_config = pydantic.ConfigDict(extra="allow", ser_json_inf_nan="strings")

        price: float
        key: pydantic.SecretStr = pydantic.SecretStr("hunter2")
        code: pydantic.SecretBytes = pydantic.SecretBytes(b"hunter2")
        inner: object = None
        _private: int = 7

        @pydantic.computed_field
        @property
        def mid(self) -> float:
            touched.append("mid")
            raise ValueError("no feed")

        @pydantic.field_serializer("price")
        def serialize_price(self, price):
            touched.append("serializer")
            raise ValueError("no")

        @pydantic.model_serializer
        def serialize(self):
            touched.append("model serializer")
            raise ValueError("no")

        def __repr__(self):
            touched.append("repr")
            return "Quote"

        __str__ = __repr__


class OldQuote(pydantic_1.BaseModel):
    """The like in pydantic 1."""

    price: float
    key: pydantic_1.SecretStr = pydantic_1.SecretStr("hunter2")
    code: pydantic_1.SecretBytes = pydantic_1.SecretBytes(b"hunter2")
    inner: object = None

    class Config:
        """How pydantic 1 is told what it allows."""

        extra = "allow"
        arbitrary_types_allowed = True

    def dict(self, **options):
        touched.append("dict")
        raise ValueError("no")

    def __repr__(self):
        touched.append("repr")
        return "OldQuote"


MODELS = [pytest.param(OldQuote, id="pydantic 1")]
if IS_PYDANTIC_2:
    MODELS.append(pytest.param(Quote, id="pydantic 2"))
MASK = "**********"


@pytest.mark.parametrize("model", MODELS)
def test_models_are_read_field_by_field(show, model):
    """F100: fields and extras are read where they stand; secrets stay masked."""
    value = model(price=1.5, later={"a": (1,)})

    seen = show(value)

    assert {
        "price": 1.5,
        "key": MASK,
        "code": MASK,
        "inner": None,
        "later": {"a": [1]},
    } == seen.value
    assert [".key", ".code"] == [note["path"] for note in seen.notes]
    assert {"redacted"} == {note["note"] for note in seen.notes}
    assert b"hunter2" not in seen.line


@pytest.mark.parametrize("model", MODELS)
def test_models_with_nasty_fields(show, model):
    """F91, F100: what is wrong with one field of a model costs that field."""
    value = model(price=float("nan"), inner=object.__new__(Hostile))
    value.price = float("nan")

    seen = show(value)

    assert "NaN" == seen.value["price"]
    assert "<nasty_classes.Hostile>" == seen.value["inner"]


@pytest.mark.parametrize("model", MODELS)
def test_model_cycles(show, model):
    """F77: a model that holds itself ends where it returns."""
    value = model(price=1.0)
    value.inner = [value]

    seen = show(value)

    assert ["<cycle>"] == seen.value["inner"]


@pytest.mark.parametrize("model", MODELS)
def test_models_that_were_never_validated(show, model):
    """F100: a model that was made past its validation shows what it has."""
    construct = getattr(model, "model_construct", None) or model.construct

    seen = show(construct(price="dear"))

    assert "dear" == seen.value["price"]


@pytest.mark.parametrize("model", MODELS)
def test_bare_models(show, model):
    """F100: a model of which nothing was set is an empty one."""
    assert {} == show(model.__new__(model)).value


@pytest.mark.skipif(not IS_PYDANTIC_2, reason="pydantic 1 has no such models")
def test_root_models_and_pydantic_dataclasses(show):
    """F100: so are the other forms that pydantic has."""

    class Legs(pydantic.RootModel[list[int]]):
        pass

    @pydantic.dataclasses.dataclass
    class Leg:
        name: str
        size: int = 1

    assert {"root": [1, 2]} == show(Legs([1, 2])).value
    assert {"name": "near", "size": 1} == show(Leg("near")).value


def test_urls_of_models_are_text(show):
    """F102: a URL is its text."""
    text = "https://host/a?page=2"
    url = pydantic.TypeAdapter(pydantic.HttpUrl) if IS_PYDANTIC_2 else None
    value = url.validate_python(text) if url else pydantic.HttpUrl(text, scheme="https")

    assert text == show(value).value


@pytest.mark.skipif(not IS_PYDANTIC_2, reason="pydantic 1 has text for its URLs")
def test_passwords_in_urls_of_models_are_taken_out(show):
    """F102: what stands for the password in a database's address is not recorded."""
    dsn = pydantic.TypeAdapter(pydantic.PostgresDsn)

    seen = show(dsn.validate_python("postgres://bot:hunter2@host/db"))

    assert "postgres://bot:[redacted:url-password]@host/db" == seen.value
    assert b"hunter2" not in seen.line


@attrs.define
class Slotted:
    name: str
    hidden: str = attrs.field(default="h", repr=False)
    late: int = attrs.field(init=False)


@attrs.frozen(slots=False)
class Open:
    name: str
    inner: object = attrs.field(factory=list, converter=list)


def test_attrs_classes(show):
    """Fields of attrs classes are read from slots or dictionary; unset ones left."""
    assert {"name": "a", "hidden": "h"} == show(Slotted("a")).value
    assert {"name": "a", "inner": [1]} == show(Open("a", (1,))).value


def test_msgspec_structs(show):
    """Fields of msgspec structs are read from their slots."""
    msgspec = pytest.importorskip(
        "msgspec", reason="msgspec, the extra `fast`, is not installed"
    )
    leg = msgspec.defstruct("Leg", [("name", str), ("side", object, None)])
    other = msgspec.defstruct("Far", [("size", int, 0)], bases=(leg,), frozen=True)

    assert {"name": "a", "side": [1]} == show(leg("a", (1,))).value
    assert {"name": "a", "side": None, "size": 2} == show(other("a", None, 2)).value


@pytest.mark.parametrize("model", MODELS)
def test_values_of_one_library_in_another(show, model):
    """F91, F104: a NaN in an array in a model in a dataclass is found."""
    cls = dataclasses.make_dataclass("Box", ["content"])

    seen = show(cls(model(price=1, inner={"a": [np.array([np.inf])]})))

    inner = seen.value["content"]["inner"]
    assert ["Infinity"] == inner["a"][0]["head"]
    assert ".content.inner.a[0].head[0]" in {note["path"] for note in seen.notes}
