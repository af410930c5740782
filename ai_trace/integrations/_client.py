"""
Records the calls of one client object, and of no other.

OpenAI's and Anthropic's libraries are built alike: whatever resource a program calls,
the call ends in the client's ``request``. That method is replaced on the given object.
So the client keeps its identity: its class, its attributes, its resources, and all
references to it.
"""

from __future__ import annotations

import functools
import sys
from itertools import compress
from operator import not_
from typing import Any, Callable, NamedTuple

from ai_trace import _context
from ai_trace._current import call_is_orphan, refused
from ai_trace._objects import type_name
from ai_trace._recorder import Recorder
from ai_trace.exceptions import TraceConfigError
from ai_trace.integrations import _prices
from ai_trace.integrations._body import follow_body, read_body
from ai_trace.integrations._call import Call, begin, in_flight, lose
from ai_trace.integrations._installed import check_version, missing
from ai_trace.integrations._servers import Server
from ai_trace.integrations._stream import AsyncFollowed, Followed, Passing
from ai_trace.integrations._wire import Wire


_MARK = "_ai_trace_before"
_NOTHING: dict[str, Any] = {}

_LEFT_OUT = ("Omit", "NotGiven")
"""The names of the classes that stand for parameters that were not given."""


class Library(NamedTuple):
    """
    A library whose clients are recorded.

    Attributes:
        name: Its name, which is also that of the extra that installs it.
        load: Imports it.
        versions: The first version that is tested, and the first after it that is not.
        clients: The names of its synchronous clients.
        async_clients: The names of its asynchronous clients.
        wires: Its endpoints, by path.
    """

    name: str
    load: Callable[[], Any]
    versions: tuple[tuple[int], tuple[int]]
    clients: tuple[str, ...]
    async_clients: tuple[str, ...]
    wires: dict[str, Wire]


def wrap(client: Any, library: Library) -> None:
    """
    Record the calls of a client from now on.

    Raises:
        TraceConfigError: If it is not a client of the library, or the library is not
            installed.
    """
    is_async = _is_async(client, library)
    check_version(library.name, *library.versions)
    _prices.load()
    _hook(client, library, is_async=is_async)


def _hook(client: Any, library: Library, *, is_async: bool) -> None:
    """Replace methods of a client, unless they are replaced already."""
    if _MARK in vars(client):
        return
    request = _async_request if is_async else _request
    copy = functools.partial(_copy, library, is_async)
    hooks = {
        "request": request(client, library),
        "__reduce_ex__": functools.partial(_reduced, client, library, is_async),
    }
    for name, hook in (
        ("_prepare_request", _async_prepare if is_async else _prepare),
        ("copy", copy),
        ("with_options", copy),
    ):
        original = getattr(client, name, None)
        if original is not None:
            hooks[name] = hook(original)
    before = {name: vars(client)[name] for name in hooks if name in vars(client)}
    vars(client).update(hooks)
    vars(client)[_MARK] = (hooks, before)


def unwrap(client: Any, library: Library) -> None:
    """
    Restore a client; calls that have begun are still recorded to their end.

    Raises:
        TraceConfigError: If it is not a client of the library, or the library is not
            installed.
    """
    _is_async(client, library)
    hooks, before = vars(client).pop(_MARK, ((), {}))
    for name in hooks:
        vars(client).pop(name, None)
    vars(client).update(before)


# -- what may be wrapped -----------------------------------------------------


def _is_async(client: Any, library: Library) -> bool:
    module = _module(library)
    for names, is_async in ((library.async_clients, True), (library.clients, False)):
        known = tuple(c for c in (getattr(module, n, None) for n in names) if c)
        if isinstance(client, known):
            return is_async
    given = (
        f"the class {type_name(client)} itself, not an object of it"
        if isinstance(client, type)
        else f"an object of type {type_name(type(client))}"
    )
    one, other = library.clients[0], library.async_clients[0]
    msg = (
        f"wrap_{library.name} was given {given}. It takes a client of the package "
        f"{library.name}: an object of {one} or {other}, or of a subclass. "
        f"Call it with one: client = wrap_{library.name}({one}())."
    )
    raise TraceConfigError(msg)


def _module(library: Library) -> Any:
    try:
        return library.load()
    except ImportError as exc:
        raise missing(library.name, library.name) from exc


# -- what is replaced --------------------------------------------------------


def _copy(
    library: Library, is_async: bool, original: Callable[..., Any]
) -> Callable[..., Any]:
    @functools.wraps(original)
    def copy(*args: Any, **kwargs: Any) -> Any:
        made = original(*args, **kwargs)
        _hook(made, library, is_async=is_async)
        return made

    return copy


def _reduced(client: Any, library: Library, is_async: bool, protocol: int) -> Any:
    """
    Return what ``copy`` and ``pickle`` make another client from; it is wrapped, too.

    The hooks are left out: they would send the requests of the copy with this client.
    """
    cls: Any = type(client)
    make, arguments, state, *more = cls.__reduce_ex__(client, protocol)
    if type(state) is dict:
        hooks, before = state.get(_MARK, ((), {}))
        own = {key: state[key] for key in state if key not in (*hooks, _MARK)}
        state = {**own, **before}
    return (_remade, (library, is_async, make, *arguments), state, *more)


def _remade(
    library: Library, is_async: bool, make: Callable[..., Any], *arguments: Any
) -> Any:
    made = make(*arguments)
    _hook(made, library, is_async=is_async)
    return made


def _prepare(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def prepare(*args: Any, **kwargs: Any) -> Any:
        call = in_flight.get()
        if call is not None:
            call.attempts += 1
        return original(*args, **kwargs)

    return prepare


def _async_prepare(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def prepare(*args: Any, **kwargs: Any) -> Any:
        call = in_flight.get()
        if call is not None:
            call.attempts += 1
        return await original(*args, **kwargs)

    return prepare


def _request(client: Any, library: Library) -> Callable[..., Any]:
    original = client.request
    server, left_out = Server(client, library.name), _left_out(library.name)

    @functools.wraps(original)
    def request(cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        call = _begin(library, server, left_out, options)
        before = in_flight.get()
        if call is before is None:
            return original(cast_to, options, *args, **kwargs)
        # An unrecorded request, too, is no attempt of the call that it is made in.
        in_flight.set(call)
        try:
            response = original(cast_to, options, *args, **kwargs)
        except BaseException as exc:
            in_flight.set(before)
            if call is not None:
                call.failed(exc)
            raise
        in_flight.set(before)
        if call is not None:
            _follow(call, client, library, response)
        return response

    return request


def _async_request(client: Any, library: Library) -> Callable[..., Any]:
    original = client.request
    server, left_out = Server(client, library.name), _left_out(library.name)

    @functools.wraps(original)
    async def request(cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        call = _begin(library, server, left_out, options)
        before = in_flight.get()
        if call is before is None:
            return await original(cast_to, options, *args, **kwargs)
        # An unrecorded request, too, is no attempt of the call that it is made in.
        in_flight.set(call)
        try:
            response = await original(cast_to, options, *args, **kwargs)
        except BaseException as exc:
            in_flight.set(before)
            if call is not None:
                call.failed(exc)
            raise
        in_flight.set(before)
        if call is not None:
            _follow(call, client, library, response)
        return response

    return request


# -- a call ------------------------------------------------------------------


def _begin(
    library: Library, server: Server, left_out: frozenset[type], options: Any
) -> Call | None:
    # All options at once, since asking the model for each of them takes longer.
    asked: dict[str, Any] = getattr(options, "__dict__", _NOTHING)
    url = asked.get("url")
    if type(url) is not str or asked.get("method") != "post":
        return None
    wire = library.wires.get(url) or library.wires.get(url.partition("?")[0])
    if wire is None:
        return None
    place = _context.here()
    if place is None:
        if _context.orphans_unsaid:
            call_is_orphan()
        return None
    recorder = place.recorder
    if not isinstance(recorder, Recorder):
        refused(place)
        return None
    if recorder.muted:
        return None
    # A fence that is not a call costs nothing until something fails.
    try:
        provider, address = server.now()
        call = begin(recorder, wire, provider, address, _body(asked, left_out))
    except Exception as exc:
        lose(recorder, exc)
        return None
    parser = asked.get("post_parser")
    if call is not None and callable(parser):
        call.fenced(functools.partial(_look_at_parser, call, options, parser), None)
    return call


def _look_at_parser(call: Call, options: Any, parser: Callable[[Any], Any]) -> None:
    """Keep the answer that ``parse`` is given, in case it raises."""

    def parse(raw: Any) -> Any:
        call.unparsed = raw
        return parser(raw)

    options.post_parser = parse


def _body(asked: dict[str, Any], left_out: frozenset[type]) -> Any:
    """Return the body of a request, with what the program added to it."""
    body, more = asked.get("json_data"), asked.get("extra_json")
    if type(body) is not dict:
        return body
    whole = {**body, **more} if type(more) is dict else body
    if left_out.isdisjoint(map(type, whole.values())):
        return whole
    # In C: of the parameters of Anthropic's client, most are not given.
    is_given = map(not_, map(left_out.__contains__, map(type, whole.values())))
    return dict(compress(whole.items(), is_given))


def _left_out(library: str) -> frozenset[type]:
    """Return the classes that stand for parameters that were not given."""
    module = sys.modules[library]
    return frozenset(
        getattr(module, name) for name in _LEFT_OUT if hasattr(module, name)
    )


def _follow(call: Call, client: Any, library: Library, response: Any) -> None:
    """End the step with its response, or follow the response to its end."""
    goes_on = False
    try:
        if call.attempts == 0:
            call.is_cached = _counts_attempts(client)
        cls: Any = type(response)
        sort = _sort(cls, library.name)
        if sort == "model":
            call.give(call.read(response))
        else:
            goes_on = _followed(call, sort, response)
    except Exception as exc:
        call.lose(exc)
    if not goes_on:
        call._end("ok")


def _counts_attempts(client: Any) -> bool:
    """Tell whether each request of a client passes the hook that counts it."""
    own = vars(client)
    hooks, _ = own.get(_MARK, (_NOTHING, None))
    hook = hooks.get("_prepare_request")
    return hook is not None and hook is own.get("_prepare_request")


def _followed(call: Call, sort: str, response: Any) -> bool:
    """Give a response to the step; return whether its end is taken care of."""
    if sort == "stream":
        return _follow_stream(call, response)
    raw = response.http_response if sort == "raw" else response
    if raw.is_closed:
        return read_body(call, raw)
    follow_body(call, raw)
    return True


@functools.lru_cache(maxsize=512)
def _sort(cls: type, library: str) -> str:
    """Return the sort of an answer by its class; cached, as it takes 10 µs."""
    module = sys.modules[library]
    if issubclass(cls, (module.Stream, module.AsyncStream)):
        return "stream"
    if hasattr(cls, "http_request"):
        return "raw"
    return "http" if hasattr(cls, "iter_bytes") else "model"


def _follow_stream(call: Call, stream: Any) -> bool:
    if call.wire.fold is None:
        return False
    wrap_in = Followed if hasattr(type(stream), "__next__") else AsyncFollowed
    inner = stream._iterator
    passing = Passing(call, call.wire.fold(), stream.response)
    stream._iterator = wrap_in(inner, passing)
    return True
