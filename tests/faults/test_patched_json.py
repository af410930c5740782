"""
Programs that put a function of their own in the place of ``json.dumps``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from recorded import read_file

from ai_trace import Tracer, traced


_real = json.dumps


def _other_arguments(value: Any, indent: int | None = None) -> str:
    return _real(value, indent=indent)


def _bytes(value: Any, **_options: Any) -> bytes:
    return _real(value).encode()


def _many_lines(value: Any, **options: Any) -> str:
    return _real(value, **{**options, "indent": 2, "separators": None})


@pytest.mark.parametrize("patched", [_other_arguments, _bytes, _many_lines])
def test_json_is_written_by_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patched: Any
) -> None:
    """What is no JSON, and what needs a note, is recorded as without the patch."""
    decide = traced(lambda state: state)
    state = {"model": object(), "password": "hunter2", 5: float("nan")}
    error = KeyError("stale")

    with monkeypatch.context() as during:
        during.setattr(json, "dumps", patched)
        with Tracer("agent", tmp_path, meta={"of": object()}) as tracer:
            assert state is decide(state)
            with pytest.raises(KeyError) as caught:
                with tracer.step("failing", state=state) as step:
                    step.log(state=state)
                    raise error

    shown = {"model": "<object>", "password": "[redacted:key]", "5": "NaN"}
    first, second = read_file(tracer.path)
    assert error is caught.value
    assert shown == first["context"]["state"] == first["result"]
    assert shown == second["context"]["state"] == second["logs"][0]["state"]
    assert {"redacted", "replaced", "opaque"} == {n["note"] for n in first["notes"]}
    assert {} == tracer.health()
