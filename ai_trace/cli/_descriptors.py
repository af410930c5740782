"""
How many files this process may hold open: a session has some for each of its processes.
"""

from __future__ import annotations


# Enough for a session of some ten thousand processes; macOS refuses more than 10,240.
_WANTED = (65_536, 10_240)


def allow_many() -> None:
    """
    Let this process open more files, as far as the system allows it.

    Shells start programs with a limit of 256 (macOS) or 1024 (Linux), which is only
    meant for those that count descriptors in bits.
    """
    try:
        import resource
    except ImportError:  # Windows, where there is no such limit.
        return
    files = resource.RLIMIT_NOFILE
    now, most = resource.getrlimit(files)
    for wanted in _WANTED:
        enough = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        if now == resource.RLIM_INFINITY or now >= enough:
            return
        try:
            resource.setrlimit(files, (enough, most))
        except (ValueError, OSError):
            continue
        return
