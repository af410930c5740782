"""
A server of LLMs for tests: on a real socket, and it answers what it was told to.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Union


Piece = Union[bytes, threading.Event]


class Reply(NamedTuple):
    """
    What the server answers.

    Attributes:
        status: The status of HTTP.
        headers: Further headers.
        pieces: The body, sent piece by piece; at an event it waits for that.
        cut: Whether the connection breaks after the last piece.
    """

    status: int
    headers: dict[str, str]
    pieces: tuple[Piece, ...]
    cut: bool = False


class Request(NamedTuple):
    """
    What the server was asked.
    """

    path: str
    headers: dict[str, str]
    body: Any


def answer(value: Any, status: int = 200, **headers: str) -> Reply:
    """Return a reply of JSON; underscores in the names of headers are hyphens."""
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    kind = {"content-type": "application/json", **given}
    return Reply(status, kind, (json.dumps(value).encode(),))


def plain(text: str, kind: str = "text/plain") -> Reply:
    """Return a reply of text."""
    return Reply(200, {"content-type": kind}, (text.encode(),))


def stream(*events: Any, done: bool = True, cut: bool = False) -> Reply:
    """
    Return a reply of server-sent events.

    Args:
        events: Each a dictionary, bytes as they are, or an event to wait for. What has
            a ``type`` is sent under this name too, as Anthropic does.
        done: Whether OpenAI's mark of the end is sent.
        cut: Whether the connection breaks after the last.
    """
    pieces = [_event(event) if isinstance(event, dict) else event for event in events]
    if done and not cut:
        pieces.append(b"data: [DONE]\n\n")
    return Reply(200, {"content-type": "text/event-stream"}, tuple(pieces), cut)


def _event(event: dict[str, Any]) -> bytes:
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n".encode()


class QuietServer(ThreadingHTTPServer):
    """
    Says nothing of clients that go away.
    """

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing."""


class LlmServer:
    """
    A server that gives its replies in turn, the last one for ever.

    Attributes:
        requests: What it was asked so far.
        asked: Set when it is asked for the first time.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.asked = threading.Event()
        self._replies: deque[Reply] = deque()
        self._http = QuietServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    @property
    def address(self) -> str:
        """The address of the server, without a path."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def will(self, *replies: Reply) -> None:
        """Say what is answered next, and the last of it from then on."""
        self._replies = deque(replies)

    def reply_to(self, request: Request) -> Reply:
        """Return what is answered to a request."""
        self.requests.append(request)
        self.asked.set()
        if len(self._replies) > 1:
            return self._replies.popleft()
        return self._replies[0]

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Serve no more."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                size = int(self.headers.get("content-length") or 0)
                body = json.loads(self.rfile.read(size) or b"null")
                headers = {key.lower(): text for key, text in self.headers.items()}
                send(self, server.reply_to(Request(self.path, headers, body)))

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                return

        return Handler


def send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    """Send a reply, in chunks unless it is of one piece."""
    pieces = reply.pieces
    handler.send_response(reply.status)
    for name, text in reply.headers.items():
        handler.send_header(name, text)
    is_whole = len(pieces) == 1 and isinstance(pieces[0], bytes) and not reply.cut
    if is_whole:
        handler.send_header("content-length", str(len(bytes(pieces[0]))))
    else:
        handler.send_header("transfer-encoding", "chunked")
    handler.end_headers()
    try:
        if is_whole:
            handler.wfile.write(pieces[0])
        else:
            send_chunks(handler, pieces, cut=reply.cut)
    except (BrokenPipeError, ConnectionResetError):
        # The client has heard enough.
        handler.close_connection = True


def send_chunks(
    handler: BaseHTTPRequestHandler, pieces: Iterable[Piece], *, cut: bool
) -> None:
    """Send the pieces of a body, each at once."""
    for piece in pieces:
        if isinstance(piece, threading.Event):
            piece.wait(20)
        else:
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
    if cut:
        handler.close_connection = True
    else:
        handler.wfile.write(b"0\r\n\r\n")


@contextmanager
def serving() -> Iterator[LlmServer]:
    """Serve inside a block."""
    server = LlmServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
