"""
Images, audio and documents, recorded by type, size and hash, without their content.
"""

from __future__ import annotations

import binascii
import hashlib
import os
import pathlib
import stat
from io import BufferedRandom, BufferedReader, BytesIO, FileIO
from typing import Any, Callable

from ai_trace._interruption import interrupts
from ai_trace.integrations._fields import as_sent, plain, plain_within
from ai_trace.integrations._messages import Part, text


_DATA = "data:"
_BASE64 = ";base64"
_MAX_PREFIX = 200
_SIZED = (list, dict, str)
_MAX_FILE = 16_777_216
_PATHS = (pathlib.PosixPath, pathlib.WindowsPath)
_FILES = (BufferedReader, BufferedRandom, BytesIO, FileIO)


def blob(modality: str, mime_type: Any, data: Any) -> Part:
    """
    Return a part that stands for media that were sent inline.

    Args:
        modality: ``image``, ``audio``, ``video`` or ``document``.
        mime_type: Such as ``image/png``; ``None`` if it is not given.
        data: The bytes, their base64 text, or the file that holds them.

    Returns:
        The part, with the number of bytes and their SHA-256; with the data itself if
        that cannot be looked into.
    """
    part: Part = {"type": "blob", "modality": modality}
    if mime_type is not None:
        part["mime_type"] = mime_type
    raw = _bytes_of(data)
    if raw is not None:
        part["bytes"] = len(raw)
        part["sha256"] = hashlib.sha256(raw).hexdigest()
    elif data is not None:
        part["data"] = data
    return part


class BlobPieces:
    """
    Media that come in pieces; none of them is kept.

    Args:
        modality: ``image``, ``audio`` or ``video``.
    """

    def __init__(self, modality: str) -> None:
        self._modality = modality
        self._size = 0
        self._hash = hashlib.sha256()

    def add(self, data: Any) -> None:
        """Take a piece: bytes, or base64 text that can be decoded by itself."""
        raw = _bytes_of(data) or b""
        self._size += len(raw)
        self._hash.update(raw)

    def part(self) -> Part:
        """Return the part that stands for all pieces so far."""
        about = {"bytes": self._size, "sha256": self._hash.hexdigest()}
        return {**blob(self._modality, None, None), **about}


def _bytes_of(data: Any) -> bytes | None:
    if type(data) is bytes:
        return data
    if type(data) is not str:
        return _bytes_in(data)
    try:
        return binascii.a2b_base64(data)
    except ValueError:
        return data.encode("utf-8", "surrogatepass")


def _bytes_in(file: Any) -> bytes | None:
    """Return what the program would read from a file now, and leave it as it was."""
    kind = type(file)
    try:
        if kind is BytesIO:
            whole: bytes = file.getvalue()
            return whole[file.tell() :]
        if kind not in _PATHS and kind not in _FILES:
            return None
        about = os.stat(file if kind in _PATHS else file.fileno())
        # Anything but a regular file can be read only once, or has no end.
        if not stat.S_ISREG(about.st_mode) or about.st_size > _MAX_FILE:
            return None
        if kind in _PATHS:
            return bytes(file.read_bytes())
        place = file.tell()
        try:
            return bytes(file.read())
        finally:
            file.seek(place)
    except (OSError, ValueError) as exc:
        if interrupts(exc):
            raise
        return None


def from_url(modality: str, url: Any) -> Part:
    """
    Return a part for media behind a URL, or in a data URL.

    Args:
        modality: As in ``blob``; empty to tell it by the MIME type.
        url: The URL.
    """
    if type(url) is not str or not url.startswith(_DATA):
        return {"type": "uri", "modality": modality, "uri": url}
    kind, _, data = url[len(_DATA) :].partition(",")
    content: Any = data
    if kind.endswith(_BASE64):
        kind = kind[: -len(_BASE64)]
    else:
        content = data.encode("utf-8", "surrogatepass")
    return blob(modality or modality_of(kind), kind or None, content)


def from_file(modality: str, file_id: Any) -> Part:
    """Return a part for media that the provider stores under an id."""
    return {"type": "file", "modality": modality, "file_id": file_id}


def modality_of(mime_type: Any) -> str:
    """Return the modality that a MIME type belongs to."""
    main = mime_type.partition("/")[0] if type(mime_type) is str else ""
    return main if main in ("image", "audio", "video") else "document"


# -- wherever they stand -------------------------------------------------------

_MAX_DEPTH = 50
_MIME_TYPES = ("media_type", "mime_type", "mimeType")
_AUDIO = ("aac", "flac", "mp3", "opus", "pcm16", "wav")
# Keys under which providers put base64 without a MIME type beside it.
_INLINE = {
    "b64_json": "image",
    "file_data": "document",
    "partial_image_b64": "image",
}


def as_it_is(given: Any) -> Part:
    """Return a part of an unknown kind, as the provider gave it."""
    part = without_media(plain(given))
    if type(part) is dict and "type" in part:
        return part
    return {"type": "unknown", "content": part}


def text_or_as_it_is(content: Any) -> Part:
    """Return the one part of a content that is no list."""
    said = as_sent(content)
    return text(said) if type(said) is str else as_it_is(content)


def beside(facts: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """
    Return the remaining facts of a request or an answer.

    These are citations, log probabilities, hints for a cache and the like, under the
    provider's own names, so that nothing gets lost. Empty values are left out.

    Args:
        facts: All facts, by name.
        known: The names of those that are recorded elsewhere, or not at all.
    """
    return {
        name: without_media(plain_within(one))
        for name, one in facts.items()
        if name not in known and not (one is None or (type(one) in _SIZED and not one))
    }


def added(ours: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Return what is ours, and behind it what has no name of ours."""
    return {**ours, **more, **ours}


Read = Callable[[Any, Callable[[Any], Any]], Any]
"""Takes an object, and a function to call with each value that it holds."""

_CONTAINERS = (dict, list, tuple)
# The values stand beside what was made of them: their ids hold while they live.
_Made = dict[int, tuple[Any, Any]]


def without_media(
    value: Any, read: Read | None = None, depth: int = 0, made: _Made | None = None
) -> Any:
    """
    Return JSON of an unknown shape, in which parts take the place of media.

    Args:
        value: The JSON.
        read: Makes JSON of objects; without it, they stay as they are.
        depth: How deep in the original value this one is.
        made: What was made of values by their ids. Values may hold one another in many
            ways, and following each of them anew could take forever.
    """
    kind = type(value)
    if kind is str:
        return from_url("", value) if _is_data_url(value) else value
    if depth > _MAX_DEPTH or (read is None and kind not in _CONTAINERS):
        return value
    made = {} if made is None else made
    known = made.get(id(value))
    if known is not None:
        return known[1]
    if kind is dict:
        return _without_media(value, read, depth + 1, made)
    if kind is list or kind is tuple:
        rows: list[Any] = []
        made[id(value)] = value, rows
        rows += [without_media(one, read, depth + 1, made) for one in value]
        return rows
    if read is None:
        return value
    found = read(value, lambda one: without_media(one, read, depth + 1, made))
    if found is not value:
        made[id(value)] = value, found
    return found


def _without_media(
    given: dict[Any, Any], read: Read | None, depth: int, made_of: _Made
) -> Any:
    data, kind = given.get("data"), given.get("type")
    if type(data) is str and kind != "text":
        mime_type = _mime_type_beside(given)
        if mime_type is not None:
            return blob(modality_of(mime_type), mime_type, data)
    made: dict[Any, Any] = {}
    made_of[id(given)] = given, made
    for key, one in given.items():
        made[key] = without_media(one, read, depth, made_of)
    for key, modality in _INLINE.items():
        if type(made.get(key)) is str:
            made[key] = blob(modality, None, made[key])
    if kind == "image_generation_call" and type(made.get("result")) is str:
        form = made.get("output_format")
        made["result"] = blob(
            "image", f"image/{form}" if form else None, made["result"]
        )
    return made


def _mime_type_beside(given: dict[Any, Any]) -> str | None:
    """Return the MIME type that is given beside the data."""
    for name in _MIME_TYPES:
        if type(given.get(name)) is str:
            return str(given[name])
    return f"audio/{given['format']}" if given.get("format") in _AUDIO else None


def _is_data_url(value: str) -> bool:
    return value.startswith(_DATA) and _BASE64 in value[:_MAX_PREFIX]
