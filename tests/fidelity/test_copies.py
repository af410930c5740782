"""Copies of a traced callable are copies of what is inside, and traced as it is."""

from __future__ import annotations

import copy
import functools
import threading

import pytest

from ai_trace import traced


class Memory:
    """An object that is called, and keeps what it was called with."""

    def __init__(self):
        self.seen = []

    def __call__(self, symbol):
        self.seen.append(symbol)
        return len(self.seen)


class Locked(Memory):
    """One that cannot be copied in depth."""

    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


def test_a_deep_copy_of_an_object_keeps_its_own(recording, decorate):
    """Agents that start from one template do not share what they remember."""
    template = decorate(Memory())
    template("BTC")

    made = copy.deepcopy({"memory": template})["memory"]

    assert (2, 2, 3) == (made("ETH"), template("SOL"), template("XRP"))
    assert (["BTC", "ETH"], ["BTC", "SOL", "XRP"]) == (made.seen, template.seen)
    assert decorate is not traced or ["Memory"] * 4 == recording.names


def test_a_shallow_copy_is_another_object(decorate):
    """What is set on it is not set on the first one."""
    template = decorate(Memory())
    made = copy.copy(template)
    made.name = "second"

    assert made.seen is template.seen
    assert not hasattr(template, "name")


def test_a_copy_keeps_the_options(recording):
    """It is traced under the same name, and hides the same arguments."""
    template = traced(name="remember", args=False)(Memory())

    assert 1 == copy.deepcopy(template)("BTC")
    assert {} == recording.one("remember")["context"]


def test_copies_inside_partial_objects_are_deep(decorate):
    """A partial object is copied with what it was given."""
    given = []
    add = decorate(functools.partial(list.append, given))

    copy.deepcopy(add)("BTC")

    assert [] == given


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_method_of_an_object_follows_it(decorate, duplicate):
    """The method of a template is the method of the template's copy."""
    memory = Memory()
    call = duplicate(decorate(memory.__call__))

    call("BTC")

    assert (["BTC"] if duplicate is copy.copy else []) == memory.seen


def test_what_cannot_be_copied_says_the_same(decorate):
    """A lock is none of ours."""
    with pytest.raises(TypeError, match="lock"):
        copy.deepcopy(decorate(Locked()))
