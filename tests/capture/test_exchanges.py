"""Requests, responses, mail and cookies: headers redacted, bodies only if read."""

from __future__ import annotations

import asyncio
import email
import email.message
import http.client
import http.cookies
import urllib.request

import pytest
from libraries import installed
from nasty_classes import TOUCHED, Hostile


TOKEN = "Bearer abcdefghijklmnop1234"
HIDDEN = "[redacted:key]"
BODY = b'{"ok": true, "password": "hunter2hunter2"}'
SHOWN = '{"ok": true, "password": "[redacted:key]"}'


pytestmark = pytest.mark.usefixtures("untouched")


class Unread:
    """A body that stands on a connection still."""

    def read(self, *_args):
        TOUCHED.append("read")
        return b""

    __iter__ = __aiter__ = __next__ = readinto = stream = read


def test_mail(show):
    """A mail is its headers and its parts; what a header says twice is a list."""
    mail = email.message.EmailMessage()
    mail["Subject"] = "Hello"
    mail["Authorization"] = TOKEN
    mail.set_content("the password=hunter2hunter2\n")
    mail.add_attachment(b"\x00\x01", maintype="image", subtype="png")

    shown = show(mail).value

    assert ("Hello", HIDDEN) == (
        shown["headers"]["Subject"],
        shown["headers"]["Authorization"],
    )
    assert [f"the password={HIDDEN}\n", "AAE=\n"] == [
        part["body"] for part in shown["body"]
    ]
    received = show(email.message_from_string("To: a\nTo: b\n\nhi")).value
    assert ({"To": ["a", "b"]}, "hi") == (received["headers"], received["body"])


def test_cookies(show):
    """Of a cookie name and attributes are shown, not what it holds."""
    cookies = http.cookies.SimpleCookie()
    cookies["sid"] = "31d4d96e407aad42"
    cookies["sid"]["path"] = "/"

    seen = show(cookies)

    assert {"sid": {"cookie": HIDDEN, "path": "/"}} == seen.value
    assert b"31d4d96e" not in seen.line


def test_requests_of_urllib(show):
    """A request is its method, address, headers and body."""
    url = "https://bot:hunter2@host/x"
    request = urllib.request.Request(
        url, data=b"a=1", headers={"Authorization": TOKEN}, method="PUT"
    )

    assert {
        "type": "urllib.request.Request",
        "method": "PUT",
        "url": "https://bot:[redacted:url-password]@host/x",
        "headers": {"Authorization": HIDDEN},
        "body": "a=1",
    } == show(request).value


def test_headers_of_the_standard_library(show):
    """What a server answered stands in a mail without a body."""
    message = http.client.HTTPMessage()
    message["Set-Cookie"] = "sid=1"

    assert {"Set-Cookie": HIDDEN} == show(message).value["headers"]


def httpx_response(**given):
    httpx = installed("httpx")
    request = httpx.Request("POST", "https://host/x", content='{"a": 1}')
    request.headers["Authorization"] = TOKEN
    headers = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Age", "1"), ("Age", "2")]
    return httpx.Response(201, headers=headers, request=request, **given)


def test_responses_of_httpx(show):
    """A response that was read has its body, as text."""
    seen = show(httpx_response(content=BODY))

    assert {
        "type": "httpx.Response",
        "method": "POST",
        "url": "https://host/x",
        "status": 201,
        "headers": {"Set-Cookie": HIDDEN, "Age": ["1", "2"], "Content-Length": "42"},
        "body": SHOWN,
    } == seen.value
    assert b"hunter2" not in seen.line


def test_requests_of_httpx(show):
    """A request has its body; its headers and address may stand alone."""
    response = httpx_response(content=BODY)

    shown = show([response.request, response.headers, response.request.url]).value

    assert ("POST", '{"a": 1}') == (shown[0]["method"], shown[0]["body"])
    assert HIDDEN == shown[0]["headers"]["Authorization"]
    assert ["1", "2"] == shown[1]["Age"]
    assert "https://host/x" == shown[2]


def test_streams_of_httpx_are_not_read(show):
    """A response that was not read has no body, and can still be read."""
    httpx = installed("httpx")

    class Stream(httpx.SyncByteStream):
        def __iter__(self):
            TOUCHED.append("read")
            yield BODY

    response = httpx_response(stream=Stream())

    assert "body" not in show(response).value
    assert [] == TOUCHED
    assert BODY == response.read()
    TOUCHED.clear()


def requests_response(**attributes):
    requests = installed("requests")
    response = requests.Response()
    response.headers["Set-Cookie"] = "sid=1"
    response.__dict__.update(status_code=200, reason="OK", url="https://host/x")
    response.__dict__.update(attributes)
    return response


def test_responses_of_requests(show):
    """A response that was read has its body, one that was not has none."""
    asked = installed("requests").Request("GET", "https://host/x").prepare()
    read = requests_response(_content=BODY, request=asked)
    unread = requests_response(raw=Unread(), request=asked)

    shown, other = show([read, unread]).value

    assert {
        "type": "requests.models.Response",
        "method": "GET",
        "url": "https://host/x",
        "status": 200,
        "reason": "OK",
        "headers": {"Set-Cookie": HIDDEN},
        "body": SHOWN,
    } == shown
    del shown["body"]
    assert shown == other


def test_requests_of_requests(show):
    """What signs a request in is left out; what it sends is there."""
    requests = installed("requests")
    request = requests.Request(
        "POST",
        "https://host/x",
        headers={"X-Api-Key": "k"},
        json={"a": 1},
        auth=("a", "b"),
    )
    shown = show([request, request.prepare()]).value

    assert {
        "type": "requests.models.Request",
        "method": "POST",
        "url": "https://host/x",
        "json": {"a": 1},
        "headers": {"X-Api-Key": HIDDEN},
    } == shown[0]
    assert '{"a": 1}' == shown[1]["body"]
    assert HIDDEN == shown[1]["headers"]["Authorization"]


@pytest.mark.parametrize("read", [True, False], ids=["read", "unread"])
def test_responses_of_aiohttp(show, read):
    """A response of a real server: its body only if it was read."""
    installed("aiohttp")

    shown, info = asyncio.run(_from_server(show, read))

    assert ("POST", 200, "OK") == tuple(
        shown[k] for k in ("method", "status", "reason")
    )
    assert HIDDEN == shown["headers"]["Set-Cookie"]
    assert (SHOWN if read else None) == shown.get("body")
    assert HIDDEN == info["headers"]["Authorization"]
    assert shown["url"] == info["url"]


async def _from_server(show, read):
    aiohttp, web = installed("aiohttp"), installed("aiohttp.web")

    async def answer(request):
        assert "body" not in show(request).value
        body = await request.read()
        given = web.Response(body=BODY, headers={"Set-Cookie": "sid=1"})
        got, gave = show([request, given]).value
        assert ("POST", "/x", "a") == (got["method"], got["url"], got["body"])
        assert (200, SHOWN) == (gave["status"], gave["body"])
        assert b"a" == body
        return given

    app = web.Application()
    app.router.add_post("/x", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/x"
        headers = {"Authorization": TOKEN}
        async with aiohttp.ClientSession() as client:
            response = await client.post(url, data=b"a", headers=headers)
            if read:
                await response.read()
            shown = show(response).value, show(response.request_info).value
            assert BODY == await response.read()
            return shown
    finally:
        await runner.cleanup()


BODIES = [
    pytest.param(b"\xff\xfe", lambda shown: "//4=" == shown["head"], id="no text"),
    pytest.param(b"", lambda shown: "" == shown, id="empty"),
    pytest.param(None, lambda shown: shown is None, id="none"),
    pytest.param(b"a" * 300_000, lambda shown: 262_144 == len(shown), id="long"),
    pytest.param(
        b"a" * 5_000_000, lambda shown: 5_000_000 == shown["bytes"], id="too long"
    ),
    pytest.param(Unread(), lambda shown: shown.endswith(".Unread>"), id="a stream"),
]


@pytest.mark.parametrize(("body", "is_shown"), BODIES)
def test_bodies(show, body, is_shown):
    """A body is text if it is any, and within bounds; a stream is not consumed."""
    assert is_shown(show(requests_response(_content=body)).value["body"])


def filled_with(value, hostile):
    """Set all attributes that an instance holds to what runs code when asked."""
    for name in list(vars(value)):
        vars(value)[name] = hostile
    return value


def test_what_hostile_responses_hold_is_not_run(show):
    """An object of a known class that is filled with hostile ones runs none of them."""
    httpx = installed("httpx")
    requests = installed("requests")
    hostile = object.__new__(Hostile)
    values = [
        filled_with(httpx_response(content=b""), hostile),
        filled_with(httpx.Request("GET", "https://host/"), hostile),
        filled_with(httpx.Headers(), hostile),
        filled_with(httpx.URL("https://host/"), hostile),
        filled_with(requests_response(), hostile),
        filled_with(requests.Request(), hostile),
        filled_with(requests.structures.CaseInsensitiveDict(), hostile),
        filled_with(email.message.Message(), hostile),
        filled_with(http.cookies.Morsel(), hostile),
        filled_with(urllib.request.Request("https://host/"), hostile),
    ]

    shown = show(values).value

    assert len(values) == len(shown)
    assert "failed" not in str(shown)
