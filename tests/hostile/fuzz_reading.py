"""
A coverage-guided fuzzer over the line parser, the journal and the tree.

It is a program: ``python fuzz_reading.py -runs=20000 CORPUS`` tries so many inputs,
beginning with the files of a directory, and stops at the first that breaks a rule;
without ``-runs`` it goes on for ever. It needs atheris.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris


with atheris.instrument_imports(include=["ai_trace"]):
    from ai_trace import StepRecord
    from ai_trace._files import header_from_name
    from ai_trace._journal import OpenSteps
    from ai_trace._lines import Line, decode, decode_all
    from ai_trace._tree import fold
    from ai_trace.diagnosis import diagnose
    from ai_trace.render import json, markdown, text

STYLE = text.Style(width=72)
HEADER = header_from_name(Path("agent_20231114_221320.jsonl"))


def try_one(data: bytes) -> None:
    """Read bytes as the lines of a trace and of a journal, and show what they hold."""
    records: list[StepRecord] = []
    journal = OpenSteps()
    damaged = 0
    for raw in data.split(b"\n"):
        line = Line(0, len(raw) + 1, raw + b"\n", True)
        for piece, item in decode_all(line, HEADER):
            if isinstance(item, StepRecord):
                assert piece.data.strip() in raw, "what was read is not in the line"
                records.append(item)
            elif raw.strip():
                damaged += 1
                assert item.endswith("."), item
        journal.add(line.data)
    opened = list(journal.records("unfinished", 1.7e9))
    session = fold([*records, *opened], HEADER)
    walked = [step for _, step in session.walk() if step.outcome != "missing"]
    assert len(walked) == len(records) + len(opened), "a step is hidden"
    for record in walked:
        assert decode(Line(0, len(record.line), record.line, True), HEADER) == record
    for shown in (text.tree(session, STYLE), text.tree(session, STYLE, full=True)):
        assert all(row.isprintable() for row in shown)
    "".join(markdown.session(session))
    "".join(json.session(session, saved_at=0.0)).encode()
    diagnose(session, {}).to_dict()


def main() -> None:
    """Fuzz."""
    atheris.Setup(sys.argv, try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
