"""
Steps in threads: below the step that started them, or by themselves.

Run it, then look at which step stands below which::

    python examples/threads.py
    ai-trace view
"""

from __future__ import annotations

import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ai_trace import Tracer, propagate, step, traced


LIBRARY = Path(sysconfig.get_path("stdlib"))
FILES = ["ast.py", "bisect.py", "heapq.py", "queue.py", "textwrap.py", "threading.py"]


@traced(kind="tool")
def count_lines(name: str) -> int:
    """Count the lines of a file of the standard library."""
    return len((LIBRARY / name).read_bytes().splitlines())


def main() -> None:
    """Count twice: in children of one step, then in roots."""
    with Tracer("line_counter") as tracer, ThreadPoolExecutor(3) as pool:
        # A thread starts with an empty context; propagate gives it this one, so
        # that its steps are children of count_all.
        with step("count_all", files=len(FILES)) as s:
            total = sum(pool.map(propagate(count_lines), FILES))
            s.log(total=total)
        print(f"{total} lines, counted by children of {s.name}")

        # A service has threads that were started outside any step: it activates its
        # tracer for the whole process, and their steps are roots.
        tracer.activate()
        total = sum(pool.map(count_lines, FILES))
        print(f"{total} lines, counted by roots")
    print("Trace:", tracer.path)


if __name__ == "__main__":
    main()
