"""
Sizes in bytes, as people write them on a command line.
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
    r"(\d{1,15}(?:\.\d{1,6})?) ?([kmgt]i?b?|b)?", re.IGNORECASE | re.ASCII
)

FORMS = "a number with a unit (500MB, 5GB, 1.5GB, 2GiB)"


def number_of_bytes(text: str) -> int:
    """
    Read a size.

    Args:
        text: A number with a unit such as ``MB``, ``GB`` or ``GiB``; 0 needs none.

    Returns:
        Bytes.

    Raises:
        argparse.ArgumentTypeError: If the text is not a size.
    """
    size = _SIZE.fullmatch(text.strip())
    number, unit = (float(size[1]), size[2]) if size else (0.0, "")
    # Somebody who writes 5 may mean 5 GB; taken as 5 bytes, it would delete nearly all.
    if size is None or (number and not unit):
        msg = f"{text!r} is not a size: write {FORMS}"
        raise argparse.ArgumentTypeError(msg)
    return int(number * _UNITS[(unit or "").lower().rstrip("b")])
