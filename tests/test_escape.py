from __future__ import annotations

import re

import pyte
import pytest
from hostile_text import EVERYTHING, MARKDOWN, TERMINAL
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ai_trace import Tracer, step
from ai_trace.render._escape import term
from ai_trace.render._page_escape import md_block, md_cell, md_inline


ACTIVE_TAGS = {
    *("a", "img", "script", "iframe", "svg", "style", "link", "form", "input"),
    *("details", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "blockquote"),
}
COLUMNS, ROWS = 400, 12

hostile = st.text(st.sampled_from("`~|\\\n\r\t #<>![]()*_-:@.aé\x1b\x9b\u2028\u202e\0"))


class Terminal:
    """A terminal: what is on its screen, and what it was told to do."""

    def __init__(self):
        self.answers = []
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self.screen.write_process_input = self.answers.append
        self.stream = pyte.Stream(self.screen)

    def show(self, text):
        """Print text, and return the lines on the screen."""
        self.stream.feed(text.replace("\n", "\r\n"))
        return [row.rstrip() for row in self.screen.display]


def tokens(markdown):
    """Parse a page with all that is ever switched on; return inner tokens too."""
    page = MarkdownIt("commonmark", {"html": True, "linkify": True})
    page.enable(["table", "linkify", "strikethrough"])
    found = []
    for token in page.parse(markdown):
        found += [token, *(token.children or [])]
    return found


def active(markdown):
    """Return the tags, html and tokens on a page that do something."""
    return [
        token
        for token in tokens(markdown)
        if token.tag in ACTIVE_TAGS or token.type.startswith("html")
    ]


def test_the_checks_see_attacks():
    """Unescaped, the same text does move the terminal and does act on the page."""
    terminal = Terminal()
    assert "forged" == terminal.show("step name\x1b[2J\x1b[Hforged")[0]
    terminal.show(TERMINAL["window title"] + TERMINAL["cursor report"])
    assert ("pwned", 1) == (terminal.screen.title, len(terminal.answers))
    acting = {key for key, text in MARKDOWN.items() if active(f"x {text}")}
    assert {"image", "html image", "bare link", "fence", "setext"} <= acting


# --- terminal ----------------------------------------------------------------------


@pytest.mark.parametrize("text", EVERYTHING.values(), ids=EVERYTHING.keys())
def test_a_terminal_is_not_moved(text):
    """Traced text stands on the screen literally: no title, answer, colour or move."""
    terminal = Terminal()
    before = "before "

    rows = terminal.show(before + term(text) + " after")

    assert [] == terminal.answers
    assert "" == terminal.screen.title
    assert rows[0].startswith("before")
    assert "after" == rows[0][-5:] or len(text) > 100
    assert all(row == "" for row in rows[1:])
    cells = terminal.screen.buffer[0]
    assert {"default"} == {cells[column].fg for column in range(COLUMNS)}


@pytest.mark.parametrize("text", EVERYTHING.values(), ids=EVERYTHING.keys())
def test_a_block_keeps_its_place(text):
    """Text of several lines takes its own lines, and leaves those before it alone."""
    terminal = Terminal()

    rows = terminal.show("before\n" + term(text, single_line=False) + "\nafter")

    assert [] == terminal.answers
    assert "before" == rows[0]
    end = 2 + term(text, single_line=False).count("\n")
    assert "after" == rows[end] or len(text) > 100


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;pwned\x07", r"\x1b]0;pwned\x07"),
        ("rm -rf ~\rls -la    ", r"rm -rf ~\x0dls -la    "),
        ("\x9b2J", r"\x9b2J"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("ok\u200b\U000e0049", r"ok\u200b\U000e0049"),
        ("a\n✔ session signed", "a⏎✔ session signed"),
        ("a\r\nb", "a⏎b"),
        ("a\tb", "a b"),
        ("\ud800", r"\ud800"),
        ("[/][link=x]", "[/][link=x]"),
        ("é😀漢 \\", "é😀漢 \\"),
        ("", ""),
    ],
)
def test_what_does_not_print_is_shown(text, shown):
    """Each character that does not print is its escape, every other one itself."""
    assert shown == term(text)


def test_a_block_keeps_lines_and_tabs():
    """Newlines and tabs are themselves in a block, CRLF is a newline."""
    assert "a\n\tb\nc\\x0d" == term("a\n\tb\r\nc\r", single_line=False)


@given(st.text() | hostile)
def test_nothing_else_gets_through(text):
    """Whatever the text, only printable characters, newlines and tabs come out."""
    assert term(text).isprintable()
    block = term(text, single_line=False)
    assert block.replace("\n", "").replace("\t", "").isprintable()


# --- Markdown ----------------------------------------------------------------------


@pytest.mark.parametrize("text", EVERYTHING.values(), ids=EVERYTHING.keys())
def test_a_span_is_one_piece_of_code(text):
    """Traced text in a line is one code span, between what stands around it."""
    page = f"before {md_inline(text)} after"

    found = tokens(page)

    assert [] == active(page)
    assert ["text", "code_inline", "text"] == [
        token.type for token in found if token.nesting == 0 and token.type != "inline"
    ]


@pytest.mark.parametrize("text", EVERYTHING.values(), ids=EVERYTHING.keys())
def test_a_cell_is_one_cell(text):
    """Traced text in a table takes exactly its own cell."""
    page = f"| a | b |\n|---|---|\n| {md_cell(text)} | end |\n| c | d |\n"

    found = tokens(page)

    assert [] == active(page)
    assert 3 == sum(token.type == "tr_open" for token in found)
    assert 6 == sum(token.type in ("td_open", "th_open") for token in found)
    assert "end" in [token.content for token in found]


@pytest.mark.parametrize("indent", ["", "  ", "    "], ids=len)
@pytest.mark.parametrize("text", EVERYTHING.values(), ids=EVERYTHING.keys())
def test_a_block_is_one_fence(text, indent):
    """Traced text of several lines is one fence, in a list item too."""
    outer = {0: "", 2: "- item:\n", 4: "- a\n  - item:\n"}[len(indent)]
    page = f"{outer}{md_block(text, indent)}\nafter\n"

    found = tokens(page)

    assert [] == active(page)
    fences = [token for token in found if token.type == "fence"]
    assert ["text"] == [fence.info for fence in fences]
    kept = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    assert term(kept, single_line=False) + "\n" == fences[0].content
    assert "after" == found[-2].content or "after" == found[-1].content


@given(hostile | st.text())
def test_no_text_leaves_its_place(text):
    """Whatever the text, a span is one span, a cell one cell, a block one fence."""
    page = (
        f"# {md_inline(text)}\n\n| {md_cell(text)} | b |\n|---|---|\n"
        f"| {md_cell(text)} | d |\n\n- {md_inline(text)}:\n{md_block(text, '  ')}"
    )

    found = tokens(page)

    assert ["h1", "h1"] == [token.tag for token in active(page)]
    assert 4 == sum(token.type == "code_inline" for token in found)
    assert 4 == sum(token.type in ("td_open", "th_open") for token in found)
    assert 1 == sum(token.type == "fence" for token in found)


@given(hostile)
def test_a_pipe_in_a_cell_is_escaped_for_every_reader(text):
    """Before each pipe stands an odd number of backslashes, however they are read."""
    runs = re.findall(r"(\\*)\|", md_cell(text))

    assert text.count("|") == len(runs)
    assert all(len(run) % 2 for run in runs)


@pytest.mark.parametrize("text", TERMINAL.values(), ids=TERMINAL.keys())
@pytest.mark.parametrize("wrap", [md_inline, md_cell, md_block])
def test_a_page_on_a_terminal_is_harmless(text, wrap):
    """A Markdown page holds nothing that moves the terminal it is printed on."""
    assert wrap(text).replace("\n", "").replace("\t", "").isprintable()


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("market_scan", "`market_scan`"),
        ("a ` b", "``a ` b``"),
        ("`", "`` ` ``"),
        (" a ", "`  a  `"),
        ("a\r\nb\u2028c\x85d", "`a⏎b⏎c⏎d`"),
        ("", "`  `"),
    ],
)
def test_a_span_is_as_short_as_it_can_be(text, span):
    """One backtick more than the text has, and spaces only where they are needed."""
    assert span == md_inline(text)


@pytest.mark.parametrize("text", MARKDOWN.values(), ids=MARKDOWN.keys())
def test_a_span_shows_the_text(text):
    """What a reader of the page sees is the text, its line breaks as signs."""
    if any(char in text for char in "\n\r\v\f\t\x85\u2028\u2029") or not text.strip():
        return
    (code,) = (
        token for token in tokens(md_inline(text)) if token.type == "code_inline"
    )

    assert text == code.content


@pytest.mark.parametrize("char", ["\x1b]0;t\x07", "\x9b2J", "\u202e", "\x08", "\r"])
def test_what_a_failing_sink_says(tmp_path, caplog, char):
    """Neither message nor names of classes reach a log with what does not print."""
    broken = type(f"Broken{char}", (Exception,), {})

    def on_finish(self, record):
        raise broken(f"first {char}\nsecond")

    sink = type(f"Sink{char}", (), {"on_finish": on_finish})()
    with Tracer("agent", trace_dir=tmp_path, sinks=[sink]), step("work"):
        pass

    (said,) = [record.getMessage() for record in caplog.records]
    assert said.isprintable()
    assert "⏎second" in said
