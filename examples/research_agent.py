"""
A research agent: searches in parallel, reads in parallel, answers with sources.

Its library is the documentation that comes with Python::

    python examples/research_agent.py "How do I copy a directory tree?"
    ai-trace view
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import re
import sys
from collections import Counter

from ai_trace import Tracer, step, traced


MODULES = ["csv", "difflib", "glob", "heapq", "json", "shutil", "tempfile", "textwrap"]
QUESTION = "How do I copy a directory tree, and compare two sequences of lines?"


def load_library() -> dict[str, str]:
    """Return the documentation of every public function, by its full name."""
    library = {}
    for module in map(importlib.import_module, MODULES):
        for name, item in inspect.getmembers(module, callable):
            text = inspect.getdoc(item)
            if text and not name.startswith("_"):
                library[f"{module.__name__}.{name}"] = text
    return library


def words(text: str) -> Counter[str]:
    """Count the words of four letters and more, plural or not."""
    return Counter(w.rstrip("s") for w in re.findall(r"[a-z]{4,}", text.lower()))


class Researcher:
    """
    Answers questions from a library of short texts.

    Args:
        library: The texts by their names.
    """

    def __init__(self, library: dict[str, str]) -> None:
        self.library = library
        self.words = {name: words(text) for name, text in library.items()}

    @traced(kind="agent")
    async def research(self, question: str) -> str:
        """Split the question, look into all parts at once, put the answer together."""
        parts = [part.strip(" ?") for part in re.split(r",? and |;", question)]
        with step("plan", question=question) as plan:
            plan.set_result(parts)
        answers = await asyncio.gather(*(self.investigate(part) for part in parts))
        return "\n".join(answers)

    @traced
    async def investigate(self, part: str) -> str:
        """Search, read the best hits side by side, and keep the best sentence."""
        hits = await self.search(part)
        notes = await asyncio.gather(*(self.read(name, part) for name in hits))
        score, name, sentence = max(notes, default=(0, "nothing", "no source found"))
        return f"{part}: {sentence} [{name}, {score} words match]"

    @traced(kind="retrieval")
    async def search(self, query: str, count: int = 3) -> list[str]:
        """Return the names of the texts that share most words with the query."""
        await asyncio.sleep(0.01)  # where a real agent would wait for its index
        wanted = words(query)
        shared = {
            name: sum((found & wanted).values()) for name, found in self.words.items()
        }
        best = sorted(shared, key=lambda name: (-shared[name], len(self.library[name])))
        return [name for name in best[:count] if shared[name]]

    @traced(kind="tool")
    async def read(self, name: str, query: str) -> tuple[int, str, str]:
        """Return the sentence of a text that fits the query best, with its score."""
        await asyncio.sleep(0.01)  # where a real agent would wait for the page
        sentences = re.split(r"(?<=[.:])\s+|\n\n", self.library[name])
        scored = [(sum((words(s) & words(query)).values()), s) for s in sentences]
        score, sentence = max(scored)
        return score, name, " ".join(sentence.split())


def main() -> None:
    """Answer the question on the command line, or the default one, and record it."""
    question = " ".join(sys.argv[1:]) or QUESTION
    with Tracer("research_agent", meta={"library": MODULES}) as tracer:
        print(asyncio.run(Researcher(load_library()).research(question)))
    print("Trace:", tracer.path)


if __name__ == "__main__":
    main()
