"""
What recording costs with others: one row a process, in an environment without us.

    python benchmarks/peers.py eliot

The predecessor has our import name, which is why the peers have an environment of their
own. Each makes the same step: three attributes, one log of two fields, kept as JSON.
"""

from __future__ import annotations

import json
import os
import time
from contextvars import ContextVar
from typing import Any, Callable

from _timing import Work, main


STEPS = 5_000
FILE = "out.jsonl"


def predecessor() -> Work:
    """ai-decision-tracer 0.2.0, which opens its file for each step."""
    from ai_trace import Tracer

    tracer = Tracer("bench", trace_dir=".")

    def work(count: int) -> None:
        for n in range(count):
            with tracer.step("market_scan", symbol="BTCUSDT", price=101.5, n=n) as scan:
                scan.log(signal=0.87, action="BUY")
        tracer._steps.clear()

    return work


def eliot() -> Work:
    """eliot, with its lines in the buffer of a file."""
    from eliot import log_message, start_action, to_file

    to_file(open(FILE, "ab"))

    def work(count: int) -> None:
        for n in range(count):
            with start_action(
                action_type="market_scan", symbol="BTCUSDT", price=101.5, n=n
            ):
                log_message("log", signal=0.87, action="BUY")

    return work


def opentelemetry(*, exporting: bool) -> Any:
    """Return a tracer of the OpenTelemetry SDK, which writes each span or none."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

    provider = TracerProvider()
    if exporting:
        exporter = ConsoleSpanExporter(
            out=open(FILE, "a", encoding="utf-8"),
            formatter=lambda span: span.to_json(indent=None) + "\n",
        )
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer("bench")


def opentelemetry_spans() -> Work:
    """The OpenTelemetry SDK, each span as a line of JSON."""
    tracer = opentelemetry(exporting=True)

    def work(count: int) -> None:
        for n in range(count):
            attributes = {"symbol": "BTCUSDT", "price": 101.5, "n": n}
            with tracer.start_as_current_span(
                "market_scan", attributes=attributes
            ) as span:
                span.add_event("log", {"signal": 0.87, "action": "BUY"})

    return work


def opentelemetry_decorator() -> Work:
    """The OpenTelemetry SDK's decorator, without exporter."""
    tracer = opentelemetry(exporting=False)

    @tracer.start_as_current_span("answer")
    def answer(question: int) -> int:
        return question

    def work(count: int) -> None:
        for n in range(count):
            answer(n)

    return work


def logfire() -> Work:
    """logfire, to a local file alone."""
    import logfire
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

    exporter = ConsoleSpanExporter(
        out=open(FILE, "a", encoding="utf-8"),
        formatter=lambda span: span.to_json(indent=None) + "\n",
    )
    logfire.configure(
        send_to_logfire=False,
        console=False,
        metrics=False,
        additional_span_processors=[SimpleSpanProcessor(exporter)],
    )

    def work(count: int) -> None:
        for n in range(count):
            with logfire.span("market_scan", symbol="BTCUSDT", price=101.5, n=n):
                logfire.info("log", signal=0.87, action="BUY")

    return work


def structlog() -> Work:
    """structlog, two lines of JSON."""
    import structlog

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(open(FILE, "a", encoding="utf-8")),
        cache_logger_on_first_use=True,
    )
    logger = structlog.get_logger()

    def work(count: int) -> None:
        for n in range(count):
            logger.info("market_scan", symbol="BTCUSDT", price=101.5, n=n)
            logger.info("log", signal=0.87, action="BUY")

    return work


def limit() -> Work:
    """The least that a step on the disk can cost: a dict, orjson, one write."""
    import orjson

    return _limit(orjson.dumps)


def limit_of_the_standard_library() -> Work:
    """The same with the encoder of the standard library."""
    encode = json.JSONEncoder(separators=(",", ":")).encode
    return _limit(lambda data: encode(data).encode())


def _limit(encode: Callable[[Any], bytes]) -> Work:
    descriptor = os.open(FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    current: ContextVar[Any] = ContextVar("current", default=None)

    def work(count: int) -> None:
        for n in range(count):
            token = current.set(n)
            began, started_at = time.perf_counter(), time.time()
            log = {"_t": time.time(), "signal": 0.87, "action": "BUY"}
            data = {
                "name": "market_scan",
                "id": "0123456789abcdef",
                "parent_id": None,
                "context": {"symbol": "BTCUSDT", "price": 101.5, "n": n},
                "started_at": started_at,
                "duration_ms": (time.perf_counter() - began) * 1e3,
                "outcome": "ok",
                "error": None,
                "logs": [log],
            }
            current.reset(token)
            os.write(descriptor, encode(data) + b"\n")

    return work


ROWS = {
    "predecessor": (STEPS, predecessor),
    "eliot": (STEPS, eliot),
    "OpenTelemetry SDK + JSON": (STEPS // 5, opentelemetry_spans),
    "OpenTelemetry decorator": (STEPS, opentelemetry_decorator),
    "logfire": (STEPS // 10, logfire),
    "structlog": (STEPS, structlog),
    "limit": (STEPS, limit),
    "limit, json": (STEPS, limit_of_the_standard_library),
}


if __name__ == "__main__":
    main(ROWS)
