"""
From values of JSON's own types to JSON text.
"""

from __future__ import annotations

import functools
import json


# See _files.py: this is loaded for every look at a directory.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


def _stdlib_encoder() -> Callable[[Any], bytes]:
    # JSONEncoder.encode builds this C encoder anew for each call: 2.3 µs for a
    # context of three values, against 1.2 µs with one that is kept.
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # pragma: no cover - an interpreter without the C module
        slow = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
        return lambda value: slow.encode(value).encode()
    encode = make(
        None,
        _refuse,
        json.encoder.encode_basestring,
        None,
        ":",
        ",",
        False,
        False,
        False,
    )
    join = "".join
    return lambda value: join(encode(value, 0)).encode()


@functools.cache
def plain_codec() -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    """
    Return what writes and reads JSON's own types, by the extra ``fast`` if it is there.

    The encoder refuses text that cannot be written in UTF-8. Asked for by the first
    tracer, not at import: msgspec takes 10 ms to load.
    """
    try:
        import msgspec
    except ImportError:
        read = json.JSONDecoder().decode
        return _stdlib_encoder(), lambda data: read(data.decode())
    return msgspec.json.Encoder().encode, msgspec.json.Decoder().decode


def _refuse(value: object) -> Any:
    raise TypeError(type(value))


encode_text: Callable[[str], str] = json.encoder.encode_basestring
"""One text to JSON, quotes included."""


# Made once, here: programs put functions of their own in the place of json.dumps, which
# take other arguments or write other text.
encode_strict: Callable[[Any], str] = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False
).encode
"""A value of JSON's own types to strict JSON."""
