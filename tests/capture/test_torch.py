"""Tensors of torch, which is too large to be among the requirements of the tests."""

from __future__ import annotations

import pytest


torch = pytest.importorskip(
    "torch", reason="torch is not installed: no tensor is tested in this run"
)


TENSORS = [
    pytest.param(lambda: torch.tensor(1.5), [], "float32", [1.5], id="0-d"),
    pytest.param(lambda: torch.tensor([]), [0], "float32", [], id="empty"),
    pytest.param(lambda: torch.arange(3), [3], "int64", [0, 1, 2], id="whole"),
    pytest.param(
        lambda: torch.tensor([[1.0, float("nan")]]),
        [1, 2],
        "float32",
        [1.0, "NaN"],
        id="NaN",
    ),
    pytest.param(
        lambda: torch.ones(2, dtype=torch.bfloat16), [2], "bfloat16", [1, 1], id="half"
    ),
    pytest.param(
        lambda: torch.nn.Parameter(torch.ones(1)), [1], "float32", [1.0], id="parameter"
    ),
    pytest.param(
        lambda: torch.ones(2, requires_grad=True) * 2, [2], "float32", [2, 2], id="grad"
    ),
    pytest.param(lambda: torch.tensor([1j]), [1], "complex64", ["1j"], id="complex"),
]


@pytest.mark.parametrize(("make", "shape", "dtype", "head"), TENSORS)
def test_tensors(show, make, shape, dtype, head):
    """F99: a tensor is shape, dtype, device and first items."""
    seen = show(make()).value

    assert {
        "shape": shape,
        "dtype": f"torch.{dtype}",
        "device": "cpu",
        "head": head,
    } == {key: seen[key] for key in ("shape", "dtype", "device", "head")}


def test_large_tensors_are_not_copied(show):
    """F98, F99: of a large tensor in any memory order five items are read."""
    seen = show(torch.zeros(3_000, 2_000).T)

    assert {"path": "", "note": "truncated", "items": 6_000_000, "kept": 5} == seen.note
    assert [0.0] * 5 == seen.value["head"]


OTHERS = [
    pytest.param(lambda: torch.empty(3, device="meta"), "meta", id="meta"),
    pytest.param(lambda: torch.eye(3).to_sparse(), "cpu", id="sparse"),
]


@pytest.mark.parametrize(("make", "device"), OTHERS)
def test_tensors_elsewhere_are_not_read(show, make, device):
    """F99: of a tensor that is not in plain memory nothing is read, no device waits."""
    seen = show(make())

    assert device == seen.value["device"]
    assert "head" not in seen.value
    assert "truncated" == seen.note["note"]


def test_tensor_subclasses_are_not_run(show):
    """F99: what a subclass does for each question is not done."""
    asked = []

    class Odd(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            asked.append(function)
            return super().__torch_function__(function, types, args, kwargs or {})

    value = torch.ones(2).as_subclass(Odd)
    asked.clear()

    seen = show(value)

    assert [] == asked
    assert ([2], "torch.float32") == (seen.value["shape"], seen.value["dtype"])


def test_modules_and_what_computes_gradients_are_left_alone(show):
    """F99: a tensor's version, gradient and graph are as they were; modules opaque."""
    value = torch.ones(2, requires_grad=True)
    squared = (value * value).sum()
    version = value._version

    show(value)
    squared.backward()

    assert version == value._version
    assert [2.0, 2.0] == value.grad.tolist()
    assert "opaque" == show(torch.nn.Linear(1, 1)).note["note"]
