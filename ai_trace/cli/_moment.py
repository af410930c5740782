"""
Points in time, as people write them on a command line.
"""

from __future__ import annotations

import argparse
import re
import time

from ai_trace._parts import TO_THE_SECOND, is_id


# Type checkers know this name. Importing less makes ``ai-trace list`` faster.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
# The hour is looked at here: Python 3.14 takes 24:00 for the beginning of the same day.
_TIME_OF_DAY = re.compile(r"(?:[01]?\d|2[0-3]):\d\d(?::\d\d)?", re.ASCII)

FORMS = (
    "how long ago (30m, 2h, 7d), a time of day (03:10, the last one that has passed), "
    "or a date or time (2024-03-01, 2024-03-01T14:30, 2024-03-01T14:30:22Z)"
)


def moment(text: str) -> float:
    """
    Read a point in time.

    Args:
        text: How long ago (``45s``, ``30m``, ``2h``, ``7d``, ``4w``); a time of day,
            which is today's or yesterday's; an ISO date or time, which is local unless
            it has an offset; or a session id, in UTC.

    Returns:
        Epoch seconds.

    Raises:
        argparse.ArgumentTypeError: If the text is none of these.
    """
    ago = _AGO.fullmatch(text)
    if ago:
        return time.time() - int(ago[1]) * _SECONDS[ago[2]]
    try:
        return _parse(text).timestamp()
    except (ValueError, OverflowError):
        msg = f"{text!r} is not a point in time: write {FORMS}"
        raise argparse.ArgumentTypeError(msg) from None


def _parse(text: str) -> datetime:
    # Loaded late: most people say how long ago, which does not need it.
    from datetime import datetime

    if _TIME_OF_DAY.fullmatch(text):
        return _last(text if text[2] == ":" else f"0{text}")
    if is_id(text):
        return datetime.strptime(text[:TO_THE_SECOND] + "+0000", "%Y%m%d_%H%M%S%z")
    # Python 3.9 and 3.10 do not understand the Z.
    return datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))


def _last(text: str) -> datetime:
    # Where the clock goes back, it shows some times twice, perhaps those of tomorrow;
    # where it goes forward, it does not show some at all, at most those of a day.
    from datetime import datetime, timedelta
    from datetime import time as clock

    now, shown = time.time(), clock.fromisoformat(text)
    today = datetime.fromtimestamp(now).date()  # noqa: DTZ006  (local)
    days = [today + timedelta(days=more) for more in (-2, -1, 0, 1)]
    found = [
        datetime.combine(day, shown.replace(fold=fold)).timestamp()
        for day in days
        for fold in (0, 1)
    ]
    passed = map(datetime.fromtimestamp, (at for at in sorted(found) if at <= now))
    return [local for local in passed if local.time() == shown][-1]
