"""
``ai-trace doctor``: is this session whole?
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from ai_trace import reading
from ai_trace.cli._arguments import add_json
from ai_trace.cli._sessions import add_session
from ai_trace.cli._style import fitting
from ai_trace.cli._terminal import Terminal
from ai_trace.cli._words import FOUND, NOT_WHOLE
from ai_trace.diagnosis import BAD, GOOD, Diagnosis, Finding, examine
from ai_trace.render import json
from ai_trace.render._style import Span, Style


DESCRIPTION = """\
Check whether a session is whole: damaged lines, steps that have not ended, gaps
that were noted during recording, missing parents, the journal of open steps,
the notes of the steps, who may read the files, and their format.

The exit status is 0 when nothing is missing, 3 when something is. It is also 0
if steps are still running or were written as unfinished (by 'ai-trace recover'
or when the session was closed), if values were cut or redacted, and whatever
the permissions are."""

EXAMPLES = """\
examples:
  ai-trace doctor                       the newest session
  ai-trace doctor 20240301_143022       by session id, or a part of it
  ai-trace doctor --json | jq .whole    for machines"""

_OUTCOMES = {"good": "ok", "odd": "interrupted", "bad": "error"}
_INDENT = "    "


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that the verb takes."""
    add_session(parser)
    add_json(parser, 'one object, {"whole": true, "findings": [...], ...}')


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """
    Examine a session.

    Args:
        options: The parsed command line.
        terminal: Where to write.

    Returns:
        The exit status.
    """
    diagnosis = examine(reading.resolve(options.dir, options.session))
    if options.json:
        terminal.write(json.encode(diagnosis.to_dict(), indent=2))
    else:
        terminal.write_all(_report(diagnosis, fitting(terminal)))
    return FOUND if diagnosis.is_whole else NOT_WHOLE


def _report(diagnosis: Diagnosis, style: Style) -> Iterator[str]:
    agent = Span(style.clean(diagnosis.agent or "(no name)"), "name")
    yield style.line([agent, Span(style.clean(f"  {diagnosis.session_id}"))], cut=False)
    yield style.line([Span(style.clean(str(diagnosis.path)), "quiet")], cut=False)
    yield ""
    for finding in diagnosis.findings:
        yield from _shown(finding, style)
    yield ""
    bad = [finding.topic for finding in diagnosis.findings if finding.state == BAD]
    verdict = f"Not whole: see {', '.join(bad)}." if bad else "Whole."
    yield style.line([Span(verdict, "bad" if bad else "good")])


def _shown(finding: Finding, style: Style) -> Iterator[str]:
    mark = style.mark(_OUTCOMES[finding.state])
    role = "" if finding.state == GOOD else mark.role
    says = Span(style.clean(finding.says), role)
    yield style.line([mark, Span(f" {finding.topic:12}", "name"), says], cut=False)
    for detail in finding.details:
        yield style.line([Span(_INDENT + style.clean(detail))], cut=False)
