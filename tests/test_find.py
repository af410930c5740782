"""
Which sessions a directory holds, in which order, and which one a person means.
"""

from __future__ import annotations

import difflib
import os
from datetime import datetime, timezone

import pytest
from trace_lines import HEADER, encoded, fields, first_line, write

from ai_trace import Tracer, reading
from ai_trace.exceptions import TraceReadError


@pytest.mark.parametrize("agent", ["bot", "team/bot", "Händler 1", "0301"])
def test_resolve_takes_an_agent(tmp_path, agent):
    """The name of an agent is its newest session, whoever else bears a part of it."""
    paths = []
    for _ in range(3):
        with Tracer(agent, trace_dir=tmp_path) as tracer, tracer.step("look"):
            pass
        paths.append(tracer.path)
    for other in (f"{agent}_v2", f"a_{agent}"):
        Tracer(other, trace_dir=tmp_path).close()

    assert paths[-1] == reading.resolve(tmp_path, agent)


def test_sessions_of_one_id_are_named_in_their_order(tmp_path):
    """Where an id is of several sessions, the newest of them is named first."""
    for agent, begun in (("b", 2.0), ("c", 1.0), ("a", 3.0)):
        session = {**HEADER, "started_at": HEADER["started_at"] + begun / 10}
        first = encoded({**fields(1), "session": session})
        write(tmp_path, first, stem=f"{agent}_20240301_143022")

    newest_first = ", ".join(f"{agent}_20240301_143022" for agent in "abc")
    with pytest.raises(TraceReadError, match=newest_first):
        reading.resolve(tmp_path, "20240301_143022")


def test_a_mistyped_name_is_compared_with_few(tmp_path, monkeypatch):
    """Of very many sessions, a mistyped name is compared with those of the newest."""
    for number in range(700):
        session_id = f"20240301_{number // 60:02d}{number % 60:02d}00"
        write(tmp_path, first_line(0), stem=f"bot_{session_id}")
    compared = []

    def compare(word, known, **options):
        compared.extend(known)
        return []

    monkeypatch.setattr(difflib, "get_close_matches", compare)
    with pytest.raises(TraceReadError, match="and 695 more"):
        reading.resolve(tmp_path, "but_20240301_113900")

    assert "bot_20240301_113900" in compared
    assert 500 < len(compared) < 510


def test_resolve_takes_an_agent_of_files_with_other_names(tmp_path):
    """The agent that a file tells of counts where its name tells of none."""
    for stem, session_id in [("b", "20240301_143022"), ("a", "20240302_143022")]:
        head = {**HEADER, "session_id": session_id, "started_at": 0}
        write(tmp_path, encoded({**fields(0), "session": head}), stem=stem)

    assert tmp_path / "a.jsonl" == reading.resolve(tmp_path, HEADER["agent"])


@pytest.mark.parametrize(
    "session_id", ["zzzz", "", "20250301_143022x", "²²²²²²²²_²²²²²²"]
)
@pytest.mark.parametrize(
    ("started_at", "written"), [(0.0, 2e9), (7.5, 2e9), (2e11, 1.7e9)]
)
def test_a_session_is_not_new_because_it_says_so(
    tmp_path, session_id, started_at, written
):
    """What stands in a file puts it neither before real ones nor after its writing."""
    head = {**HEADER, "session_id": session_id, "started_at": started_at}
    copy = write(tmp_path, encoded({**fields(0), "session": head}), stem="copy")
    os.utime(copy, (written, written))
    real = write(tmp_path, first_line(0), stem="bot_20240301_143022")

    assert real == reading.resolve(tmp_path, "latest")
    assert [real, copy] == [info.path for info in reading.find(tmp_path)]


def test_a_session_of_another_name_stands_where_it_began(tmp_path):
    """A file that was given another name stands among the others by its start."""
    for day in ("01", "03"):
        write(tmp_path, first_line(0), stem=f"bot_202403{day}_143022")
    began = datetime(2024, 3, 2, tzinfo=timezone.utc).timestamp()
    head = {**HEADER, "session_id": "mine", "started_at": began}
    write(tmp_path, encoded({**fields(0), "session": head}), stem="copy")

    assert ["bot_20240303_143022", "copy", "bot_20240301_143022"] == [
        info.stem for info in reading.find(tmp_path)
    ]


def test_a_session_is_looked_at_once(tmp_path):
    """Whatever is asked of a session comes from one look at its file."""
    path = write(tmp_path, first_line(0))
    (info,) = reading.find(tmp_path)
    header = info.header
    path.unlink()

    assert info.is_stated
    assert header is info.header
    assert info.problem is None
