"""
Images, audio and documents by type, size and hash; never what is in them.
"""

from __future__ import annotations

import binascii
import hashlib
from typing import Any

from ai_trace.integrations._messages import Part


_DATA = "data:"
_BASE64 = ";base64"


def blob(modality: str, mime_type: Any, data: Any) -> Part:
    """
    Return a part that stands for media which were sent along.

    Args:
        modality: ``image``, ``audio``, ``video`` or ``document``.
        mime_type: Such as ``image/png``; ``None`` where the provider is told none.
        data: The bytes, or their base64 text.

    Returns:
        The part, with the count of bytes and their SHA-256.
    """
    part: Part = {"type": "blob", "modality": modality}
    if mime_type is not None:
        part["mime_type"] = mime_type
    raw = _bytes_of(data)
    if raw is not None:
        part["bytes"] = len(raw)
        part["sha256"] = hashlib.sha256(raw).hexdigest()
    return part


def _bytes_of(data: Any) -> bytes | None:
    if type(data) is bytes:
        return data
    if type(data) is not str:
        return None
    try:
        return binascii.a2b_base64(data)
    except ValueError:
        return data.encode("utf-8", "surrogatepass")


def from_url(modality: str, url: Any) -> Part:
    """Return a part for media that a URL leads to, or that a data URL holds."""
    if type(url) is not str or not url.startswith(_DATA):
        return {"type": "uri", "modality": modality, "uri": url}
    kind, _, data = url[len(_DATA) :].partition(",")
    if kind.endswith(_BASE64):
        return blob(modality, kind[: -len(_BASE64)] or None, data)
    return blob(modality, kind or None, data.encode("utf-8", "surrogatepass"))


def from_file(modality: str, file_id: Any) -> Part:
    """Return a part for media that the provider keeps under an id."""
    return {"type": "file", "modality": modality, "file_id": file_id}


def modality_of(mime_type: Any) -> str:
    """Return what sort of media a MIME type is of."""
    main = mime_type.partition("/")[0] if type(mime_type) is str else ""
    return main if main in ("image", "audio", "video") else "document"
