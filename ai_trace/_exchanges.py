"""
What programs send and receive: requests, responses, their headers, and mail.

A body is shown if the program has read it; nothing here reads from a connection. The
secrets in headers and cookies are taken out by their names, as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ai_trace._field_types import UNKNOWN
from ai_trace._objects import instance_dict, known_name, plain_text, type_of


# Longer bodies are shown as other bytes are.
_MOST_TEXT = 4_194_304
_UNREAD: Any = object()


def readable(body: Any) -> Any:
    """Return bytes that are text as that text, and anything else as it is."""
    if type(body) is not bytes or len(body) > _MOST_TEXT:
        return body
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body


def _if_read(body: Any) -> Any:
    """Return a body that is stored as ``None`` until it is read."""
    return _UNREAD if body is None else body


def _exchange(
    value: Any, method: Any, url: Any, headers: Any, body: Any, **more: Any
) -> dict[str, Any]:
    given = {"method": method, "url": url, **more, "headers": headers}
    fields = {name: item for name, item in given.items() if item is not None}
    if body is not _UNREAD:
        fields["body"] = readable(body)
    return {"type": type_of(value), **fields}


def httpx_request(value: Any) -> dict[str, Any]:
    """Show a request of httpx."""
    get = instance_dict(value).get
    body = get("_content", _UNREAD)
    return _exchange(value, get("method"), get("url"), get("headers"), body)


def httpx_response(value: Any) -> dict[str, Any]:
    """Show a response of httpx, with its body if that was read."""
    get = instance_dict(value).get
    asked = instance_dict(get("_request")).get
    status, body = get("status_code"), get("_content", _UNREAD)
    return _exchange(
        value, asked("method"), asked("url"), get("headers"), body, status=status
    )


def requests_request(value: Any) -> dict[str, Any]:
    """Show a request of requests, prepared or not; its ``auth`` is left out."""
    get = instance_dict(value).get
    more = {name: _filled(get(name)) for name in ("params", "data", "json")}
    body = get("body", _UNREAD)
    return _exchange(value, get("method"), get("url"), get("headers"), body, **more)


def requests_response(value: Any) -> dict[str, Any]:
    """Show a response of requests, with its body if that was read."""
    get = instance_dict(value).get
    method = instance_dict(get("request")).get("method")
    more = {"status": get("status_code"), "reason": get("reason")}
    body = get("_content")
    # ``False`` until it is read.
    body = _UNREAD if body is False else body
    return _exchange(value, method, get("url"), get("headers"), body, **more)


def aiohttp_response(value: Any) -> dict[str, Any]:
    """Show a response that a client of aiohttp got, with its body if that was read."""
    get = instance_dict(value).get
    more = {"status": get("status"), "reason": get("reason")}
    body, url = _if_read(get("_body")), get("_real_url")
    return _exchange(value, get("method"), url, get("_headers"), body, **more)


def aiohttp_request(value: Any) -> dict[str, Any]:
    """Show a request that a server of aiohttp got, with its body if that was read."""
    get = instance_dict(value).get
    body = _if_read(get("_read_bytes"))
    return _exchange(value, get("_method"), get("_rel_url"), get("_headers"), body)


def aiohttp_answer(value: Any) -> dict[str, Any]:
    """Show a response that a server of aiohttp sends."""
    get = instance_dict(value).get
    more = {"status": get("_status"), "reason": get("_reason")}
    body = get("_body", _UNREAD)
    return _exchange(value, None, None, get("_headers"), body, **more)


def urllib_request(value: Any) -> dict[str, Any]:
    """Show a request of urllib."""
    get = instance_dict(value).get
    body, url = _if_read(get("_data")), get("_full_url")
    more = {"unredirected_headers": _filled(get("unredirected_hdrs"))}
    return _exchange(value, get("method"), url, get("headers"), body, **more)


def _filled(part: Any) -> Any:
    is_known = type(part) is dict or type(part) is list
    return None if is_known and not part else part


def mail(value: Any) -> Any:
    """Show a mail, or a part of it: its headers, and its body or its parts."""
    stored = instance_dict(value)
    pairs = stored.get("_headers")
    if type(pairs) is not list:
        return UNKNOWN
    return {
        "type": type_of(value),
        "headers": _by_name(pairs),
        "body": stored.get("_payload"),
    }


def httpx_headers(value: Any) -> Any:
    """Show headers of httpx."""
    listed = instance_dict(value).get("_list")
    if type(listed) is not list:
        return UNKNOWN
    return _by_name((entry[0], entry[-1]) for entry in listed if type(entry) is tuple)


def requests_headers(value: Any) -> Any:
    """Show headers of requests."""
    stored: Any = instance_dict(value).get("_store")
    return _by_name(dict.values(stored)) if issubclass(type(stored), dict) else UNKNOWN


def multi_dict(value: Any) -> Any:
    """Show the headers of aiohttp, or another dictionary of its kind."""
    is_own = known_name(type(value)).startswith("multidict.")
    return _by_name(value.items()) if is_own else UNKNOWN


def _by_name(pairs: Iterable[Any]) -> dict[str, Any]:
    """Gather values by name; a name that comes more than once has a list of them."""
    found: dict[str, list[Any]] = {}
    for pair in pairs:
        if type(pair) is tuple and len(pair) == 2:
            name = plain_text(_decoded(pair[0]))
            found.setdefault(name, []).append(_decoded(pair[1]))
    return {name: got[0] if len(got) == 1 else got for name, got in found.items()}


def _decoded(text: Any) -> Any:
    return text.decode("latin-1") if type(text) is bytes else text


def cookie(value: Any) -> Any:
    """Show a cookie; its value is taken out by the name ``cookie`` that it has here."""
    named = dict.items(value)
    told = {name: item for name, item in named if type(item) is not str or item}
    return {"cookie": instance_dict(value).get("_value"), **told}
