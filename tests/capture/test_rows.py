"""Rows of databases, and the objects that stand for them: no database is asked."""

from __future__ import annotations

import sqlite3

import pytest
from nasty_classes import TOUCHED, Hostile


HIDDEN = "[redacted:key]"


@pytest.fixture
def select():
    """Run a query, and return its first row."""
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    yield lambda query: connection.execute(query).fetchone()
    connection.close()


def test_rows_of_sqlite(show, select):
    """A row is an object by its columns; where two are of one name, a list of pairs."""
    row = select("select 1 as id, 'a' as name, 'hunter2hunter2' as password")
    twice = select("select 1 as id, 'hunter2hunter2' as password, 2 as id")

    assert {"id": 1, "name": "a", "password": HIDDEN} == show(row).value
    assert [["id", 1], ["password", HIDDEN], ["id", 2]] == show(twice).value


def test_rows_of_sqlite_are_read_past_their_subclass(show):
    """What a class of the program overrides is not run."""

    class Odd(sqlite3.Row):
        def keys(self):
            TOUCHED.append("keys")
            raise AssertionError

        __iter__ = __len__ = __getitem__ = keys

    TOUCHED.clear()
    connection = sqlite3.connect(":memory:")
    connection.row_factory = Odd
    row = connection.execute("select 1 as id").fetchone()
    connection.close()

    assert {"id": 1} == show(row).value
    assert [] == TOUCHED


@pytest.fixture
def bank():
    """A database of users and their orders; each statement that it runs is kept."""
    alchemy = pytest.importorskip("sqlalchemy", reason="sqlalchemy is not installed")
    orm = pytest.importorskip("sqlalchemy.orm")
    engine = alchemy.create_engine("sqlite://")
    base = orm.declarative_base()

    class User(base):
        __tablename__ = "users"
        id = alchemy.Column(alchemy.Integer, primary_key=True)
        name = alchemy.Column(alchemy.String)
        password = alchemy.Column(alchemy.String)
        orders = orm.relationship("Order", back_populates="user")

        def __repr__(self):
            return f"User({self.name}, {self.orders})"

    class Order(base):
        __tablename__ = "orders"
        id = alchemy.Column(alchemy.Integer, primary_key=True)
        user_id = alchemy.Column(alchemy.ForeignKey("users.id"))
        user = orm.relationship("User", back_populates="orders")

    base.metadata.create_all(engine)
    session = orm.Session(engine)
    orders = [Order(id=1), Order(id=2)]
    session.add(User(id=1, name="Ada", password="hunter2", orders=orders))
    session.commit()
    session.expunge_all()
    statements: list[str] = []
    alchemy.event.listen(
        engine, "before_cursor_execute", lambda *given: statements.append(given[2])
    )
    session.user, session.order, session.statements = User, Order, statements
    yield session
    session.close()
    engine.dispose()


def test_objects_of_sqlalchemy_load_nothing(show, bank):
    """F101: of a mapped object the columns are shown, not what it would ask for."""
    user = bank.get(bank.user, 1)
    bank.statements.clear()

    assert {"id": 1, "name": "Ada", "password": HIDDEN} == show(user).value
    assert [] == bank.statements
    assert "orders" not in vars(user)


def test_what_sqlalchemy_has_loaded_is_shown(show, bank):
    """F77, F101: what was loaded is there, and what leads back ends there."""
    user = bank.get(bank.user, 1)
    orders = [order.user and order for order in user.orders]
    bank.statements.clear()

    shown = show(user).value

    assert [{"id": 1, "user_id": 1, "user": "<cycle>"}] == shown["orders"][:1]
    assert len(orders) == len(shown["orders"])
    assert [] == bank.statements


def test_expired_objects_of_sqlalchemy_are_named(show, bank):
    """F101: of an object that has expired nothing is known, and nothing asked."""
    user = bank.get(bank.user, 1)
    bank.expire(user)
    bank.statements.clear()

    seen = show(user)

    assert "opaque" == seen.note["note"]
    assert [] == bank.statements
    assert {"name": "new"} == show(bank.user(name="new")).value


def test_rows_of_sqlalchemy(show, bank):
    """A row is an object by its columns, whatever stands in them."""
    alchemy = pytest.importorskip("sqlalchemy")
    query = alchemy.select(bank.user, bank.order.id).join(bank.order)
    row = bank.execute(query).first()
    mapping = bank.execute(alchemy.select(bank.user.password)).mappings().first()
    result = bank.execute(alchemy.select(bank.user.name))
    bank.statements.clear()

    shown = show([row, mapping, result]).value

    assert {"id": 1, "name": "Ada", "password": HIDDEN} == shown[0]["User"]
    assert 1 == shown[0]["id"]
    assert {"password": HIDDEN} == shown[1]
    assert shown[2].startswith("<sqlalchemy.engine.")
    assert ([], ["Ada"]) == (bank.statements, result.scalars().all())


@pytest.fixture(scope="module")
def trade():
    """A model of pydantic that SQLAlchemy maps; its name may be given once."""
    sqlmodel = pytest.importorskip("sqlmodel", reason="sqlmodel is not installed")

    class Trade(sqlmodel.SQLModel, table=True):
        id: int = sqlmodel.Field(primary_key=True)
        price: float

    return Trade


def test_models_that_are_mapped(show, trade):
    """A model of pydantic that SQLAlchemy maps, too, is shown by what is loaded."""
    seen = show(trade(id=1, price=1.5))

    assert {"id": 1, "price": 1.5} == seen.value
    assert [] == seen.notes


@pytest.fixture(scope="module")
def tables():
    """Models of Django, as in a project without a database."""
    django = pytest.importorskip("django", reason="django is not installed")
    conf = pytest.importorskip("django.conf")
    models = pytest.importorskip("django.db.models")
    if not conf.settings.configured:
        conf.settings.configure()
    django.setup()

    class Account(models.Model):
        name = models.TextField()
        password = models.TextField()

        class Meta:
            app_label = "bank"

    class Payment(models.Model):
        account = models.ForeignKey(Account, models.CASCADE)

        class Meta:
            app_label = "bank"

    return Account, Payment


def test_objects_of_django_load_nothing(show, tables):
    """F101: an object of Django is its fields; without a database none can be asked."""
    account, payment = tables

    shown = show(
        [
            account(id=1, name="Ada", password="hunter2"),
            payment(id=2, account_id=1),
            account.from_db("default", ["id"], [3]),
            account.objects.all(),
        ]
    ).value

    assert {"id": 1, "name": "Ada", "password": HIDDEN} == shown[0]
    assert [{"id": 2, "account_id": 1}, {"id": 3}] == shown[1:3]
    assert "<django.db.models.query.QuerySet>" == shown[3]


def test_forged_mapped_classes_are_no_license(show):
    """A class that says that it is mapped is read as data, or named."""
    TOUCHED.clear()
    hostile = object.__new__(Hostile)
    for manager in (
        hostile,
        {"price": 1},
        property(lambda self: TOUCHED.append("asked")),
    ):
        made = type("Forged", (), {"_sa_class_manager": manager})()
        vars(made)["price"] = hostile

        assert "failed" not in str(show(made).value)
    assert [] == TOUCHED


def test_messages_of_protocol_buffers(show):
    """A message is an object of the fields that are set, enums by their names."""
    struct = pytest.importorskip(
        "google.protobuf.struct_pb2", reason="protobuf is not installed"
    )
    descriptors = pytest.importorskip("google.protobuf.descriptor_pb2")
    message = struct.Struct()
    message.update({"a": 1, "password": "hunter2hunter2", "list": ["x", None]})
    field = descriptors.FieldDescriptorProto(name="x", type=1)
    nested = descriptors.DescriptorProto(name="outer", field=[field])

    shown = show([message, nested]).value

    assert {"number_value": 1.0} == shown[0]["fields"]["a"]
    assert HIDDEN == shown[0]["fields"]["password"]
    assert [{"string_value": "x"}, {"null_value": "NULL_VALUE"}] == (
        shown[0]["fields"]["list"]["list_value"]["values"]
    )
    assert {"name": "outer", "field": [{"name": "x", "type": "TYPE_DOUBLE"}]} == shown[
        1
    ]


def test_large_maps_of_protocol_buffers_are_cut(show_nested):
    """Of a map of many entries the first are shown; how many there are is told."""
    struct = pytest.importorskip(
        "google.protobuf.struct_pb2", reason="protobuf is not installed"
    )
    message = struct.Struct()
    for number in range(10_001):
        message.fields[str(number)].number_value = number

    seen = show_nested(message)

    assert 10_000 == len(seen.value["fields"])
    assert {
        "path": ".fields",
        "note": "truncated",
        "items": 10_001,
        "kept": 10_000,
    } == (seen.note)
