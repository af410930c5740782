"""
Makes of this process one that has what Python has on Windows, as far as that goes.

The names of ``os`` and ``signal`` that are marked "Availability: Unix" or "not Windows"
in Python's documentation go, and so do the modules that Windows lacks. A file that
this process has open can be neither deleted nor replaced there, and one that is opened
without ``O_BINARY`` has its newlines translated: the first is refused here, the second
is counted.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from typing import Any


MODULES = (
    "crypt fcntl grp nis posixshmem pty pwd readline resource spwd syslog termios tty"
).split()

OF_OS = """
    EX_OK O_ASYNC O_CLOEXEC O_DIRECT O_DIRECTORY O_DSYNC O_LARGEFILE O_NDELAY O_NOATIME
    O_NOCTTY O_NOFOLLOW O_NONBLOCK O_PATH O_RSYNC O_SYNC O_TMPFILE SEEK_DATA SEEK_HOLE
    WNOHANG WUNTRACED chflags chown chroot confstr confstr_names copy_file_range ctermid
    eventfd eventfd_read eventfd_write fchdir fchmod fchown fdatasync fork forkpty
    fpathconf fstatvfs getegid geteuid getgid getgrouplist getgroups getloadavg getpgid
    getpgrp getpriority getrandom getresgid getresuid getsid getuid getxattr grantpt
    initgroups killpg lchflags lchmod lchown listxattr lockf major makedev
    memfd_create minor mkfifo mknod nice openpty pathconf pathconf_names pidfd_open
    pipe2
    posix_fadvise posix_fallocate posix_openpt posix_spawn posix_spawnp pread preadv
    ptsname pwrite pwritev readv register_at_fork removexattr sched_get_priority_max
    sched_getaffinity sched_setaffinity sched_yield sendfile setegid seteuid setgid
    setgroups setns setpgid setpriority setregid setresgid setresuid setreuid setsid
    setuid setxattr splice statvfs sync sysconf sysconf_names tcgetpgrp tcsetpgrp
    ttyname uname unlockpt unshare wait wait3 wait4 waitid writev
""".split()

OF_SIGNAL = """
    ITIMER_PROF ITIMER_REAL ITIMER_VIRTUAL SIGALRM SIGBUS SIGCHLD SIGCONT SIGHUP SIGIO
    SIGKILL SIGPIPE SIGPROF SIGPWR SIGQUIT SIGRTMAX SIGRTMIN SIGSTOP SIGSYS SIGTRAP
    SIGTSTP SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2 SIGVTALRM SIGWINCH SIG_BLOCK
    SIG_SETMASK SIG_UNBLOCK alarm getitimer pause pidfd_send_signal pthread_kill
    pthread_sigmask setitimer siginterrupt sigpending sigtimedwait sigwait sigwaitinfo
""".split()

BINARY = 1 << 30
"""Stands for ``O_BINARY``; no flag of Linux has this value."""

as_text: list[str] = []
"""Which files were opened without ``O_BINARY`` to be written."""


def pretend() -> None:
    """Become such a process; what is imported before keeps what it has."""
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    for module, names in ((os, OF_OS), (signal, OF_SIGNAL)):
        for name in names:
            vars(module).pop(name, None)
    # Chosen as it was imported.
    shutil._USE_CP_SENDFILE = False  # type: ignore[attr-defined]
    os.O_BINARY = BINARY  # type: ignore[attr-defined]
    _open = os.open

    def opened(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if os.path.isdir(path):
            raise OSError(errno.EACCES, "Windows opens no directory")
        if flags & (os.O_WRONLY | os.O_RDWR) and not flags & BINARY:
            as_text.append(os.fspath(path))
        return _open(path, flags & ~BINARY, *rest, **named)

    os.open = opened  # type: ignore[assignment]
    for name in ("unlink", "remove", "rename", "replace"):
        setattr(os, name, _refusing(getattr(os, name)))


def _refusing(call: Any) -> Any:
    def refusing(path: Any, *rest: Any, **named: Any) -> Any:
        for each in (path, *rest):
            if os.path.realpath(each) in _open_files():
                raise PermissionError(errno.EACCES, "Windows: it is in use", str(each))
        return call(path, *rest, **named)

    return refusing


def _open_files() -> set[str]:
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{descriptor}"))
        except OSError:
            continue
    return found
