"""
Takes secrets out of what is recorded: by the name of a value, and by its shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Callable

from ai_trace._assigned import assigned, flagged, paired
from ai_trace._patterns import checked_patterns
from ai_trace._redaction_arguments import check_function, checked_keys
from ai_trace._secret_commands import gives_secret
from ai_trace._secret_labels import named, signed
from ai_trace._secret_names import (
    PASSWORD,
    TOKEN,
    Names,
    looks_drawn,
    plain,
    spelled,
    told_value,
)
from ai_trace._secret_shapes import may_hold_shape, taken_out, without_shapes
from ai_trace._secret_syntax import (
    authorized,
    marked_up,
    may_sign_in,
    may_state,
    set_apart,
    signed_in,
    signs_in,
    stated,
)
from ai_trace._secret_tables import columns, inserted


FAILED = "[redaction failed]"
"""Recorded for a value on which the program's own redactor failed."""

MARGIN = 16_384
"""How far beyond the limit a text is read for a secret that straddles it."""

_CONTAINERS = (list, tuple, bytes, set, frozenset)
_SHORTEST_OWN = 3
_SHORTEST_NAMED = 5
_SHORTEST_SHAPE = 13
_EDGE = 256
_MAX_KINDS = 100
# The keys that are remembered take at most 4 MB, even if a program makes keys of data.
_MAX_KEYS = 4096
_KEY_LENGTH = 1024

_SCHEMA_TYPES = ("string", "object", "array", "integer", "number", "boolean")


class Redaction:
    """
    What is taken out of everything that is recorded, before it is cut to its limits.

    Known without being told: the values of ``password``, ``api_key``,
    ``Authorization``, ``cookie`` and the like, as keys of mappings and dataclasses,
    headers in pairs or by name and value, options of command lines, and inside of
    text; tokens of known shape, such as those of OpenAI, Anthropic, AWS, GitHub and
    Slack; JSON web tokens, private keys, and passwords in URLs. Only the secret is
    replaced, by its kind: ``[redacted:openai-key]``. Each replacement leaves a note in
    the record.

    What looks like any other text cannot be known: a password in the middle of a
    sentence stays.

    Args:
        keys: Further names whose values are secrets: the whole name, in upper or
            lower case, ``-`` and ``_`` alike.
        patterns: Further secrets by shape: kind to regular expression. The whole
            match is replaced. A repeat without bound may stand only at the end, so
            that no text takes long to search.
        replace: Called with path and value for each value that is no container,
            after all else; what it returns is recorded. If it raises, the record
            says ``[redaction failed]``. With it, no value is captured the short way:
            each takes about 10 µs more.

    Raises:
        TraceConfigError: If an argument is of the wrong type, a key is empty, or a
            pattern does not compile, matches the empty text, or may take long.

    Example:
        >>> from ai_trace import Redaction, Tracer
        >>> redaction = Redaction(keys=["pin"], patterns={"badge": r"ACME-[0-9]{6}"})
        >>> redaction.text("badge ACME-123456, pin=4711", 1_000)[0]
        'badge [redacted:badge], pin=[redacted:key]'
    """

    __slots__ = ("_arguments", "_names", "_patterns", "_values", "replace")

    def __init__(
        self,
        *,
        keys: Iterable[str] = (),
        patterns: Mapping[str, str] | None = None,
        replace: Callable[[str, Any], Any] | None = None,
    ) -> None:
        check_function(replace)
        own = checked_keys(keys)
        self._patterns = checked_patterns({} if patterns is None else patterns)
        self._names = Names(frozenset(map(spelled, own)))
        self._arguments = (own, dict(patterns or {}), replace)
        self.replace = replace
        # Plain in themselves, but another key may say that what they hold is a secret.
        telling = ("value", "Value", "kind")
        self._values = [key for key in telling if not self._names.say(key)]

    def __repr__(self) -> str:
        keys, patterns, replace = self._arguments
        return f"Redaction(keys={keys!r}, patterns={patterns!r}, replace={replace!r})"

    @property
    def knows_more(self) -> bool:
        """Whether the program has told of secrets of its own."""
        return bool(self._patterns) or bool(self._arguments[0])

    @property
    def reads_from(self) -> int:
        """The length in characters below which a text needs no look."""
        if self._patterns:
            return 1
        return _SHORTEST_OWN if self._arguments[0] else _SHORTEST_NAMED

    def suspects(self, text: str) -> bool:
        """
        Tell whether a text may hold a secret: the cheap test before any other.

        Args:
            text: A text of the program, as it is.
        """
        return (
            (len(text) >= _SHORTEST_SHAPE and may_hold_shape(text))
            or (("=" in text or ":" in text) and self._gives_value(text))
            or (("(" in text or "[" in text) and self._signs_in(text))
            or (("\n" in text or "{" in text) and self._is_laid_out(text))
            or ("<" in text and any(marked_up(text, self._names)))
            or (("'" in text or '"' in text) and may_state(text) and any(stated(text)))
            or ("-" in text and text[0] == "-" and self._names.say(text) > 0)
            or (self._patterns != () and self._matches(text))
        )

    def _is_laid_out(self, text: str) -> bool:
        may_be_apart = "Secret" in text or ("{" in text and "sensitive" in text)
        if may_be_apart and any(set_apart(text)):
            return True
        # In CSV no space follows a comma, as one does in a sentence.
        comma = text.find(",") + 1
        may_be_csv = text[comma : comma + 1] > " " and text[0] != "{"
        may_be_table = (comma and may_be_csv) or "|" in text or "\t" in text
        return may_be_table and "\n" in text and any(columns(text, self._names))

    def _gives_value(self, text: str) -> bool:
        if "uth" in text and any(authorized(text)):
            return True
        if not self._names.may_be_in(signed(text)):
            return False
        return any(assigned(text, self._names)) or any(named(text, self._names))

    def _signs_in(self, text: str) -> bool:
        if "'" in text or '"' in text:
            if "(" in text and any(inserted(text, self._names)):
                return True
            if any(paired(text, self._names)):
                return True
        return may_sign_in(text) and any(signed_in(text))

    def _matches(self, text: str) -> bool:
        return any(pattern.search(text) for _, pattern in self._patterns)

    def are_plain(self, mapping: Mapping[str, Any], known: set[str]) -> bool:
        """
        Tell whether no key of a mapping is a secret, or the name of one.

        Args:
            mapping: The mapping, of which all keys are text.
            known: Keys that are plain, whatever their values and the other keys are;
                takes further ones.
        """
        told = told_value(mapping)
        if any(self.key_kind(told[key], mapping[key]) for key in told):
            return False
        new = [key for key in mapping if key not in known and key not in self._values]
        if not new:
            return True
        keys = "\n".join(new)
        if self.suspects(keys):
            return False
        # Whether "auth" holds a secret depends on its value, each time.
        if "auth\n" in f"{keys}\n".lower() or self._names.may_be_among(keys):
            return not any(self.key_kind(key, mapping[key]) for key in new)
        remember(known, new)
        return True

    def tells_secret(self, items: Sequence[Any]) -> bool:
        """Tell whether one of some items is a secret by what the others say."""
        name = items[0]
        is_pair = len(items) == 2 and type(name) is str and not name[:1].isdigit()
        return (is_pair and bool(self.key_kind(name, items[1]))) or gives_secret(items)

    def key_kind(self, name: str, value: object) -> str | None:
        """
        Return the kind of secret that a key says its value is.

        Args:
            name: The key.
            value: Its value: numbers, flags and what is empty stay readable under
                most keys.

        Returns:
            The kind, or ``None`` for what may be shown.
        """
        says, value = self._names.say(name), plain(value)
        if not says and name[-4:].lower() == "auth" and signs_in(value):
            return "key"
        if not says or value is None or type(value) is bool:
            return None
        if type(value) is int or type(value) is float:
            return "key" if says == PASSWORD else None
        if type(value) is str:
            is_path = name[-3:].lower() == "pwd" and value.startswith(("/", "~"))
            shown = is_path or (says == TOKEN and not looks_drawn(value[:_EDGE]))
            # Of update_password, Ansible's.
            shown = shown or value == "on_create"
            return "key" if value and not shown else None
        if says == TOKEN and type(value) is not bytes:
            return None
        return None if _is_open_container(value) else "key"

    def text(self, text: str, limit: int) -> tuple[str, list[str]]:
        """
        Take the secrets out of a text.

        Args:
            text: Any text.
            limit: How many characters of it will be kept. Further ones are read only
                as far as a secret that begins before the limit may reach.

        Returns:
            The text, not yet cut to the limit, and the kinds of what was replaced.
        """
        is_cut = len(text) > limit + MARGIN
        if is_cut:
            text = text[: limit + MARGIN]
        found: list[str] = []
        if len(text) >= self.reads_from:
            text = self._without_secrets(text, found)
        # The start of a secret that was cut off has no shape any more.
        return text[:-_EDGE] if is_cut else text, found[:_MAX_KINDS]

    def bytes_summary(
        self, fields: dict[str, Any], start: bytes
    ) -> tuple[dict[str, Any], list[str]]:
        """
        Hide the first bytes if they hold a secret, and the hash that confirms a guess.

        Args:
            fields: What is recorded of bytes: ``type``, ``bytes``, ``head``, ...
            start: The head, and as much behind it as a secret in it may take.

        Returns:
            What may be recorded, and the kinds of the secrets.
        """
        head = start.decode("latin-1")
        changed, kinds = (
            self.text(head, len(head)) if self.suspects(head) else (head, [])
        )
        shown = len(fields["head"]) // 4 * 3
        if changed[:shown] == head[:shown]:
            return fields, []
        told = {key: fields[key] for key in ("type", "bytes")}
        return {**told, "head": f"[redacted:{kinds[0]}]"}, kinds

    def _without_secrets(self, text: str, found: list[str]) -> str:
        for kind, pattern in self._patterns:
            text = taken_out(pattern, kind, text, found)
        if len(text) >= _SHORTEST_SHAPE and may_hold_shape(text):
            text = without_shapes(text, found)
            text = _without_spans(text, flagged(text), found)
        if "(" in text or "[" in text:
            text = _without_spans(text, paired(text, self._names), found)
            text = _without_spans(text, signed_in(text), found)
            text = _without_spans(text, inserted(text, self._names), found)
        if "<" in text:
            text = _without_spans(text, marked_up(text, self._names), found)
        if may_state(text):
            text = _without_spans(text, stated(text), found)
        if "\n" in text:
            text = _without_spans(text, columns(text, self._names), found)
        if "=" in text or ":" in text:
            text = _without_spans(text, authorized(text), found)
            text = _without_spans(text, set_apart(text), found)
            text = _without_spans(text, named(text, self._names), found)
            text = _without_spans(text, assigned(text, self._names), found)
        return text


def remember(known: set[str], keys: Iterable[str]) -> None:
    """Add keys to those that need no further look, as long as there is room."""
    short = (key for key in keys if len(key) <= _KEY_LENGTH)
    known.update(islice(short, max(0, _MAX_KEYS - len(known))))


def _without_spans(
    text: str, spans: Iterable[tuple[int, int]], found: list[str]
) -> str:
    parts = []
    at = 0
    for start, end in spans:
        parts += [text[at:start], "[redacted:key]"]
        at = end
        found.append("key")
    return "".join([*parts, text[at:]])


def _is_open_container(value: object) -> bool:
    """Tell whether a container is empty, or a schema that gives a secret's type."""
    if type(value) is dict:
        said = value.get("type")
        is_type = type(said) is str and said in _SCHEMA_TYPES
        held = [value.get(key) for key in ("data", "const", "default", "example")]
        # Terraform's outputs give their type, too, beside the value.
        is_held = "value" in value or any(type(one) is str and one for one in held)
        return not value or (is_type and not is_held)
    # By identity: a class may have a metaclass that compares.
    return any(type(value) is each for each in _CONTAINERS) and not value
