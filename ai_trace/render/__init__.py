"""
Renders: pure functions that turn a session into text, one module per output.

Each yields its output in pieces, so that a session of any size streams. ``json`` and
``markdown`` yield text to be written as it is; ``text``, ``chat`` and ``stats`` yield
lines without their newlines. Nothing here prints, opens a file or needs a tracer.
"""
