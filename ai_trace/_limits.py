"""
How much of what a step saw is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from ai_trace.exceptions import TraceConfigError


LONGEST_NAME = 1_000
"""How many characters of a step's name are kept, whatever the limits are."""


@dataclass(frozen=True)
class Limits:
    """
    The bounds of what is recorded; each cut leaves a note in the record.

    The defaults keep prompts and messages of ordinary size whole: a text of up to
    262,144 characters, a value of up to 1,048,576 as JSON, a step of up to 4,194,304.
    The name of a step is cut at 1,000 characters in any case.

    Args:
        depth: How many containers may be nested, counted from the value.
        items: How many items of one container are kept.
        string: How many characters of one text are kept.
        value_bytes: How many characters the JSON of one value may take.
        step_bytes: How many characters the JSON of a whole step may take. Context
            and logs may use three quarters of it, so that result and error always
            have room; further logs are counted, not kept. Names, ids and times are
            kept even where a very small limit has no room for them. Readers read no
            line of more than 16 MiB. With the default every step fits; with more, one
            may not, as a character takes up to four bytes.

    Raises:
        TraceConfigError: If a limit is not a whole number of at least 1.

    Example:
        >>> from ai_trace import Limits
        >>> Limits(string=1_000).depth
        32
    """

    depth: int = 32
    items: int = 10_000
    string: int = 262_144
    value_bytes: int = 1_048_576
    step_bytes: int = 4_194_304

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not int or value < 1:
                msg = (
                    f"Limits({field.name}={value!r}): a limit is a whole number of "
                    f"at least 1. Leave it out for the default of {field.default}."
                )
                raise TraceConfigError(msg)
