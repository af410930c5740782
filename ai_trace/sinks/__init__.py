"""
Where finished steps go: files that survive a crash, documents, memory.
"""

from __future__ import annotations

from ai_trace.sinks._documents import JSONSink, MarkdownSink
from ai_trace.sinks._jsonl import JSONLSink
from ai_trace.sinks._memory import MemorySink


__all__ = ["JSONLSink", "JSONSink", "MarkdownSink", "MemorySink"]
