"""Values that another thread, or the garbage collector, changes while they are read."""

from __future__ import annotations

import collections
import gc
import sys
import threading

import pytest
from nasty_classes import Node

from ai_trace import step, traced


class Meddler:
    """
    Changes a value in another thread, in the middle of its capture.

    The capturing thread is stopped at each call of a function of a given name, until
    the other thread has made one change: what is interleaved is so on every run.
    """

    def __init__(self, function: str, change) -> None:
        self._function = function
        self._change = change
        self._asked = threading.Event()
        self._done = threading.Event()
        self._over = False
        self.changes = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        while self._asked.wait():
            self._asked.clear()
            if self._over:
                return
            self._change(self.changes)
            self.changes += 1
            self._done.set()

    def _watch(self, frame, event, argument) -> None:
        name = getattr(argument, "__name__", None) if event == "c_call" else None
        if event == "call":
            name = frame.f_code.co_name
        if name == self._function:
            self._asked.set()
            assert self._done.wait(30)
            self._done.clear()

    def __enter__(self):
        self._thread.start()
        sys.setprofile(self._watch)
        return self

    def __exit__(self, *exc):
        sys.setprofile(None)
        self._over = True
        self._asked.set()
        self._thread.join(30)


def grow(value):
    """Return what adds something to a container."""
    if isinstance(value, dict):
        return lambda n: value.__setitem__(f"new{n}", [n])
    if isinstance(value, set):
        return lambda n: value.add(f"new{n}")
    return lambda n: value.append([n])


CONTAINERS = [
    pytest.param(lambda: {f"k{n}": [n] for n in range(5)}, id="dict"),
    pytest.param(lambda: [[n] for n in range(5)], id="list"),
    pytest.param(lambda: collections.deque([n] for n in range(5)), id="deque"),
    pytest.param(lambda: {f"k{n}" for n in range(5)}, id="set"),
    pytest.param(
        lambda: collections.OrderedDict((f"k{n}", [n]) for n in range(5)), id="ordered"
    ),
]


@pytest.mark.parametrize("make", CONTAINERS)
@pytest.mark.parametrize(
    "function", ["len", "of", "_copied", "text_of", "_unless_secret"]
)
def test_growing_while_it_is_captured(recording, make, function):
    """F87: a container that grows under capture is recorded as it was at one moment."""
    value = make()
    first = list(value)

    with Meddler(function, grow(value)):
        with step("scan", value=value, other=1):
            pass

    line = recording.one("scan")
    shown = line["context"]["value"]
    assert 5 <= len(shown) <= len(value)
    if not isinstance(value, set):
        assert [first[n] for n in range(5)] == list(shown)[:5]
    assert 1 == line["context"]["other"]
    assert "failed" not in {note["note"] for note in line.get("notes", [])}


@pytest.mark.parametrize("make", CONTAINERS)
def test_emptied_while_it_is_captured(recording, make):
    """F87: a container that is emptied under capture costs nothing but its items."""
    value = make()

    with Meddler("len", lambda n: value.clear()):
        with step("scan", value=[value, Node("a", value)], other=1):
            pass

    line = recording.one("scan")
    assert [[], []] == [
        list(line["context"]["value"][0]),
        list(line["context"]["value"][1]["parent"]),
    ]
    assert 1 == line["context"]["other"]


UNSEEN = "a text that nobody has looked at yet"
MAKE = [
    pytest.param(lambda: {"later": [UNSEEN], "auth": {}}, "auth", id="below"),
    pytest.param(lambda: {"later": UNSEEN}, None, id="beside"),
    pytest.param(lambda: {"later": [UNSEEN], "auth": {}, "x": {1}}, "auth", id="long"),
]


@pytest.mark.parametrize(("make", "key"), MAKE)
@pytest.mark.parametrize("way", ["context", "result", "log", "argument"])
def test_a_secret_put_in_while_it_is_captured(recording, make, key, way):
    """What another thread adds behind the look at a value is looked at, too."""
    value = make()
    holder = value if key is None else value[key]

    @traced(name="scan")
    def scan(session):
        pass

    with Meddler("barred", lambda n: holder.update(password="hunter2")) as meddler:
        if way == "argument":
            scan(value)
        elif way == "context":
            with step("scan", session=value):
                pass
        else:
            with step("scan") as made:
                made.set_result(value) if way == "result" else made.log(session=value)

    assert meddler.changes
    assert "later" in str(recording.one("scan"))
    assert "hunter2" not in str(recording.one("scan"))


def test_results_and_logs_that_change(recording):
    """F87: so it is with a result and a log entry."""
    value = {f"k{n}": [n] for n in range(5)}

    @traced(name="scan")
    def scan():
        return value

    with Meddler("len", grow(value)) as meddler:
        assert scan() is value
        with step("other") as other:
            other.log(value=value)

    assert meddler.changes > 5
    assert 5 <= len(recording.one("scan")["result"])
    assert 5 <= len(recording.one("other")["logs"][0]["value"])


@pytest.mark.parametrize("times", [1, 100])
@pytest.mark.parametrize("make", [dict, set, collections.deque])
def test_changed_in_the_middle_of_a_walk(show_nested, make, times):
    """F87: a walk that the interpreter breaks off begins anew, a few times; noted."""
    # A kind of container that takes the long way.
    value = type("Odd", (make,), {})([(n, n) for n in range(50)])
    changes = []

    def change():
        changes.append(len(changes))
        if make is dict:
            dict.__setitem__(value, f"new{len(changes)}", 1)
        else:
            make.append(value, 0) if make is collections.deque else value.add(
                changes[-1]
            )

    def on_collection(phase, info):
        # The collector runs where no line of Python does: in the middle of a walk.
        if phase == "start" and len(changes) < times:
            thread = threading.Thread(target=change)
            thread.start()
            thread.join(30)

    before = gc.get_threshold()
    gc.callbacks.append(on_collection)
    gc.set_threshold(1, 1, 1)
    try:
        seen = show_nested(value)
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(on_collection)

    assert changes
    notes = {note["note"] for note in seen.notes}
    if "failed" in notes:
        # It changed at each of the walks.
        assert times > 1
        assert seen.value.endswith("Odd failed: RuntimeError>")
    else:
        assert 50 <= len(seen.value) <= 50 + len(changes)
        assert notes <= {"changed", "replaced"}
