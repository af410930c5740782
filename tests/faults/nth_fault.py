"""
Fails the n-th system call of a run, once or for good, for n = 1, 2, 3 and so on.

The way in which SQLite is tested: the loop ends when a run has met no fault, and then
every single call has failed once.
"""

from __future__ import annotations

import errno
import os
from random import Random
from typing import Any

from faults import figures
from faults.system_calls import Call, Proceed, fail


ERRORS = (
    errno.ENOSPC,
    errno.EIO,
    errno.EDQUOT,
    errno.EACCES,
    errno.EROFS,
    errno.EMFILE,
    errno.EINTR,
    errno.EBADF,
)

# A real one takes milliseconds, and here it would tell nothing.
_SYNCS = ("fsync", "fdatasync")


class NthFault:
    """
    Fails one call, or all from one on.

    Args:
        n: The first call that fails, from 1.
        error: The error number.
        lasting: Whether all later ones fail too.

    Attributes:
        calls: How many calls were made.
        injected: How many of them failed.
        where: Which call failed first.
        blinding: Whether one that asks what a descriptor is has failed: the product
            then rather leaves it open than closes what may not be its own.
    """

    def __init__(self, n: int, error: int, *, lasting: bool) -> None:
        self.n = n
        self.error = error
        self.lasting = lasting
        self.calls = 0
        self.injected = 0
        self.where = "nowhere"
        self.blinding = False

    def __call__(self, call: Call, proceed: Proceed) -> Any:
        self.calls += 1
        if self.calls < self.n or (self.calls > self.n and not self.lasting):
            return None if call.name in _SYNCS else proceed()
        return self._fail(call, proceed)

    def _fail(self, call: Call, proceed: Proceed) -> Any:
        if not self.injected:
            self.where = f"{call.name}({os.path.basename(call.path)})"
        self.injected += 1
        self.blinding |= call.name == "fstat"
        return fail(call, proceed, self.error)

    @property
    def errors(self) -> set[str]:
        """The names of the errors that it raises."""
        return {errno.errorcode[self.error]}

    def __str__(self) -> str:
        lasting = " and all later ones" if self.lasting else ""
        name = errno.errorcode[self.error]
        return f"{name} at call {self.n}{lasting}: {self.where}"


class NthShortWrite(NthFault):
    """
    The n-th call, if it is a write, writes only half; the call after that fails.
    """

    def _fail(self, call: Call, proceed: Proceed) -> Any:
        data = call.arguments[1] if call.name == "write" else b""
        if self.injected or len(data) < 2:
            return super()._fail(call, proceed)
        self.where = f"half of write({os.path.basename(call.path)})"
        self.injected += 1
        self.n += 1
        figures.counts[figures.FAULTS] += 1
        return os.write(call.arguments[0], bytes(data)[: len(data) // 2])


class RandomFaults(NthFault):
    """
    Each call fails by chance, with any of the errors: faults meet faults.

    Args:
        seed: What chance depends on.
        share: How many of the calls fail, of 1.0.
    """

    def __init__(self, seed: int, share: float) -> None:
        super().__init__(1, errno.EIO, lasting=True)
        self.seed = seed
        self._share = share
        self._random = Random(seed)

    def __call__(self, call: Call, proceed: Proceed) -> Any:
        self.calls += 1
        if self._random.random() >= self._share:
            return None if call.name in _SYNCS else proceed()
        self.error = self._random.choice(ERRORS)
        return self._fail(call, proceed)

    @property
    def errors(self) -> set[str]:
        """The names of the errors that it raises."""
        return {errno.errorcode[error] for error in ERRORS}

    def __str__(self) -> str:
        return f"random faults of seed {self.seed}, the first at {self.where}"
