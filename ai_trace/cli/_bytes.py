"""
Numbers of bytes, as people name them on a command line.
"""

from __future__ import annotations

import argparse
import re


_UNITS = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}
_SIZE = re.compile(
    r"(\d{1,15})(?:\.(\d{1,6}))? ?([kmgt]i?)?b?", re.IGNORECASE | re.ASCII
)

FORMS = "a number of bytes (500MB, 5GB, 1.5GB, 2GiB)"


def number_of_bytes(text: str) -> int:
    """
    Read a size.

    Args:
        text: A number, with a unit such as ``MB``, ``GB`` or ``GiB``.

    Returns:
        Bytes.

    Raises:
        argparse.ArgumentTypeError: If the text is no size.
    """
    size = _SIZE.fullmatch(text.strip())
    if size is None:
        msg = f"{text!r} is no size: write {FORMS}"
        raise argparse.ArgumentTypeError(msg)
    whole, part, unit = size.groups()
    return int(float(f"{whole}.{part or 0}") * _UNITS[(unit or "").lower()])
