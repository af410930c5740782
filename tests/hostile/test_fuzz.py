"""
The fuzzer over the readers, for a bounded number of runs.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from faults import figures, programs
from hostile.samples import sample


RUNS = int(os.environ.get("AI_TRACE_FUZZ_RUNS", "6000"))
PROGRAM = Path(__file__).with_name("fuzz_reading.py")


@pytest.mark.timeout(300)
@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="NOTHING WAS FUZZED: atheris is not installed; its wheels are for Linux.",
)
def test_no_input_is_found_that_breaks_a_reader(tmp_path):
    """Guided by what code they reach, so many inputs find none that breaks a rule."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, data in enumerate(sample()):
        (corpus / f"whole_{number}").write_bytes(data)
        for place, line in enumerate(data.split(b"\n")):
            (corpus / f"line_{number}_{place}").write_bytes(line)
    options = (f"-runs={RUNS}", "-seed=1", "-max_len=3000")
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *options, str(corpus)],
        env=programs.environment(),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert 0 == done.returncode, done.stdout[-2_000:] + done.stderr[-4_000:]
    tried = re.search(r"Done (\d+) runs", done.stderr)
    assert tried is not None, done.stderr[-2_000:]
    assert RUNS <= int(tried[1])
    figures.counts[figures.FUZZED] += int(tried[1])
