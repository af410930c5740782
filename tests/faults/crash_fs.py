"""
A disk that loses its power.

It notes what the product writes, syncs, renames and removes. At any moment of that
history the power may fail: what was synced is kept, of the rest a part that chance
decides, cut at sectors, holes filled with zeros. What a directory says of its files is
subject to the same, and is kept for sure only once the directory itself was synced.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from faults import figures
from faults.system_calls import Call, Proceed, path_of


SECTOR = 512

# Calls that change nothing on the disk.
_HARMLESS = {
    *(
        "close",
        "dup",
        "dup2",
        "lock",
        "share",
        "flock",
        "out_of_the_way",
        "lseek",
        "read",
    ),
    *("pread", "fstat", "lstat", "stat", "fchmod", "chmod", "listdir", "scandir"),
    *("sync_file", "sync_directory", "mkdir"),
}
_SYNCS = {"fsync", "fdatasync"}


class Event(NamedTuple):
    """
    One thing that happened.

    Attributes:
        what: ``write``, ``cut``, ``sync``, ``link``, ``rename``, ``unlink``,
            ``sync directory``, or ``promise``.
        about: The number of the file, the directory, or what is promised.
        detail: Offset and bytes, a length, or names.
    """

    what: str
    about: Any
    detail: Any = None


@dataclass
class _File:
    # The bytes as they are for sure, and what was done to them since.
    kept: bytearray = field(default_factory=bytearray)
    pending: list[Event] = field(default_factory=list)


@dataclass
class _Directory:
    kept: dict[str, int] = field(default_factory=dict)
    pending: list[Event] = field(default_factory=list)


class CrashDisk:
    """
    Notes what happens to files; to be given to ``intercepted``.

    Attributes:
        events: The history.
        strangers: Files that the product writes and opened by other ways: of them
            nothing is known, and nothing can be lost.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.strangers: set[str] = set()
        self._numbers: dict[tuple[int, int], int] = {}
        self._files = 0

    def promise(self, what: Any) -> None:
        """Note that from now on something must survive."""
        self.events.append(Event("promise", what))

    def syncs(self, suffix: str) -> int:
        """Count how often a file was synced whose name ends so when it is made."""
        found = {
            event.detail[1]
            for event in self.events
            if event.what == "link" and event.detail[0].endswith(suffix)
        }
        return sum(e.what == "sync" and e.about in found for e in self.events)

    def directory_syncs(self) -> int:
        """Count how often a directory was synced."""
        return sum(event.what == "sync directory" for event in self.events)

    def __call__(self, call: Call, proceed: Proceed) -> Any:
        if call.name in _HARMLESS:
            return proceed()
        if call.name in _SYNCS:
            return self._sync(call)
        return getattr(self, f"_{call.name}")(call, proceed)

    # -- what the product does ---------------------------------------------------

    def _open(self, call: Call, proceed: Proceed) -> int:
        path = Path(call.arguments[0])
        is_new = not os.path.lexists(path)
        descriptor: int = proceed()
        status = os.fstat(descriptor)
        key = (status.st_dev, status.st_ino)
        if is_new:
            # The number of an inode that was removed may come again.
            self._files += 1
            self._numbers[key] = self._files
            names = (path.name, self._files)
            self.events.append(Event("link", str(path.parent), names))
        return descriptor

    def _write(self, call: Call, proceed: Proceed) -> int:
        descriptor, data = call.arguments[:2]
        appends = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND
        if appends:
            offset = os.fstat(descriptor).st_size
        else:
            offset = os.lseek(descriptor, 0, os.SEEK_CUR)
        return self._written(descriptor, offset, data, proceed)

    def _pwrite(self, call: Call, proceed: Proceed) -> int:
        descriptor, data, offset = call.arguments
        return self._written(descriptor, offset, data, proceed)

    def _written(
        self, descriptor: int, offset: int, data: bytes, proceed: Proceed
    ) -> int:
        written: int = proceed()
        detail = (offset, bytes(data)[:written])
        self.events.append(Event("write", self._number(descriptor), detail))
        return written

    def _ftruncate(self, call: Call, proceed: Proceed) -> None:
        proceed()
        descriptor, length = call.arguments
        self.events.append(Event("cut", self._number(descriptor), length))

    def _sync(self, call: Call) -> None:
        # The real sync takes milliseconds, and the real power stays on.
        if os.path.isdir(call.path):
            self.events.append(Event("sync directory", call.path))
        else:
            self.events.append(Event("sync", self._number(call.arguments[0])))

    def _replace(self, call: Call, proceed: Proceed) -> None:
        proceed()
        source, target = map(Path, call.arguments[:2])
        assert source.parent == target.parent, "renamed across directories"
        names = (source.name, target.name)
        self.events.append(Event("rename", str(source.parent), names))

    def _unlink(self, call: Call, proceed: Proceed) -> None:
        proceed()
        path = Path(call.arguments[0])
        self.events.append(Event("unlink", str(path.parent), path.name))

    def _number(self, descriptor: int) -> int:
        status = os.fstat(descriptor)
        number = self._numbers.get((status.st_dev, status.st_ino))
        if number is None:
            self.strangers.add(path_of(descriptor))
            return 0
        return number

    # -- what is left ------------------------------------------------------------

    def lose_power(self, moment: int, random: Random, into: Path) -> list[Any]:
        """
        Lay out what is on the disk after the power has failed.

        Args:
            moment: How many events have happened by then.
            random: Decides what of the unsynced is kept.
            into: An empty directory.

        Returns:
            What was promised by then.
        """
        figures.counts[figures.POWER] += 1
        files: dict[int, _File] = {}
        directory = _Directory()
        promised = []
        for event in self.events[:moment]:
            if event.what == "promise":
                promised.append(event.about)
            elif event.what in ("write", "cut", "sync"):
                _note(files.setdefault(event.about, _File()), event)
            else:
                _note_names(directory, event)
        some = random.randint(0, len(directory.pending))
        _apply_names(directory, directory.pending[:some])
        for name, number in directory.kept.items():
            data = _remains(files.get(number, _File()), random)
            (into / name).write_bytes(data)
        return promised


def _note(file: _File, event: Event) -> None:
    if event.what == "sync":
        _apply(file.kept, file.pending)
        file.pending.clear()
    else:
        file.pending.append(event)


def _apply(data: bytearray, events: Iterable[Event]) -> None:
    for event in events:
        if event.what == "cut":
            del data[event.detail :]
            data.extend(bytes(event.detail - len(data)))
        else:
            offset, written = event.detail
            data.extend(bytes(max(0, offset - len(data))))
            data[offset : offset + len(written)] = written


def _remains(file: _File, random: Random) -> bytes:
    some = random.randint(0, len(file.pending))
    whole = bytearray(file.kept)
    _apply(whole, file.pending[:some])
    left = bytearray(whole)
    for start in range(0, len(whole), SECTOR):
        end = start + SECTOR
        # Sectors reach the disk in any order; one that did not is as it was before.
        if whole[start:end] != file.kept[start:end] and random.random() < 0.3:
            before = bytes(file.kept[start:end])
            left[start:end] = before.ljust(len(whole[start:end]), b"\0")
    if random.random() < 0.5 and len(left) > len(file.kept):
        # The new length reaches the disk later than the data may.
        end = random.randrange(len(file.kept), len(left) + SECTOR, SECTOR)
        del left[end:]
    if bytes(left) != bytes(whole):
        figures.counts[figures.TORN] += 1
    return bytes(left)


def _note_names(directory: _Directory, event: Event) -> None:
    if event.what == "sync directory":
        _apply_names(directory, directory.pending)
        directory.pending.clear()
    else:
        directory.pending.append(event)


def _apply_names(directory: _Directory, events: Iterable[Event]) -> None:
    for event in events:
        if event.what == "link":
            name, number = event.detail
            directory.kept[name] = number
        elif event.what == "unlink":
            directory.kept.pop(event.detail, None)
        else:
            _rename(directory.kept, *event.detail)


def _rename(names: dict[str, int], source: str, target: str) -> None:
    number: int | None = names.pop(source, None)
    if number is not None:
        names[target] = number
