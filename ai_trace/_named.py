"""
Named tuples without the module typing, which takes as long to load as a short list.
"""

from __future__ import annotations

from collections import namedtuple


# Known to type checkers by this name, and to them ours is the one of typing.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
    from typing import NamedTuple as NamedTuple
else:

    class _Naming(type):
        # Makes of the body of a class what typing would make of it.

        def __new__(
            cls, name: str, bases: tuple[type, ...], body: dict[str, Any]
        ) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = body["__annotations__"]
            defaults = [body[field] for field in fields if field in body]
            module = body["__module__"]
            made = namedtuple(name, fields, defaults=defaults, module=module)
            for key, value in body.items():
                if key not in fields:
                    setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_Naming):
        """
        The base of classes whose annotations are the fields of a tuple.
        """
