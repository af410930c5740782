"""
The messages of LLM calls: how they are read, which are new, and how they are shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from hostile_text import EVERYTHING
from hypothesis import given
from hypothesis import strategies as st
from llm_steps import WEATHER, asks, call, chat, record_of, tells, text, weather
from markdown_it import MarkdownIt
from trace_lines import fields, header, record, step_id

from ai_trace._record import StepRecord
from ai_trace._tree import Session, fold
from ai_trace._usage import Usage, model_of, usage_of
from ai_trace.render import chat as chat_render
from ai_trace.render import markdown, stats
from ai_trace.render import text as text_render
from ai_trace.render._conversation import Conversations, Known, read_call
from ai_trace.render._style import Style, columns
from ai_trace.render._used import dollars, used


PLAIN = Style(width=None)
THINKS = {"type": "reasoning", "content": "Hm.\nWell."}
IMAGE = {
    "type": "blob",
    "modality": "image",
    "mime_type": "image/png",
    "bytes": 10_485,
    "sha256": "ab" * 32,
}


def session_of(*lines: dict[str, Any]) -> Session:
    """Return the session of some lines."""
    return fold([record_of(line) for line in lines], header(meta={}))


def tree(session: Session, **options: Any) -> list[str]:
    """Render a session's tree without its header."""
    shown = list(text_render.tree(session, options.pop("style", PLAIN), **options))
    return shown[shown.index("") + 1 :] if "" in shown else shown


def talk(session: Session, style: Style = PLAIN, **options: Any) -> list[str]:
    """Render a session's conversations."""
    return list(chat_render.chat(session, session.steps, style, **options))


def page(session: Session) -> str:
    """Render a session's page."""
    return "".join(markdown.session(session))


def knowns(*records: StepRecord, memory: int = 100) -> list[Known]:
    """Return of each call what the calls before it have told."""
    met = Conversations(memory)
    return [met.meet(read) for read in map(read_call, records) if read is not None]


# --- reading ------------------------------------------------------------------------


def test_messages_are_read():
    """Roles, parts, tools and their ids are found, and the rest is kept beside."""
    answer = {
        **asks("get_weather", "call_1", city="Rome"),
        "finish_reason": "tool_call",
    }
    read = read_call(
        call(1, [*WEATHER[:4]], answer, context={"system": "Be kind."}, usage={"x": 1})
    )

    assert ["Be kind."] == [part.value for part in read.system]
    assert ["system", "user", "assistant", "tool"] == [m.role for m in read.messages]
    assert ("call", "get_weather", "call_1", {"city": "Paris"}) == (
        read.messages[2].parts[0].what,
        read.messages[2].parts[0].name,
        read.messages[2].parts[0].call_id,
        read.messages[2].parts[0].value,
    )
    assert ("answer", "get_weather", {"celsius": 21}) == (
        read.messages[3].parts[0].what,
        read.messages[3].parts[0].name,
        read.messages[3].parts[0].value,
    )
    assert ["tool_call"] == [message.finish_reason for message in read.answers]
    assert {"provider": "openai", "model": "toy-1"} == read.context
    assert {"model": "toy-1-2026", "usage": {"x": 1}} == read.result


@pytest.mark.parametrize(
    "line",
    [
        {"kind": "step", "context": {"messages": [text("user", "Hi")]}},
        {"kind": "llm", "context": {"messages": []}, "result": {"messages": []}},
        {"kind": "llm", "context": {"messages": "Hi"}},
        {"kind": "llm", "context": {"messages": [1, None, {"role": 1, "parts": []}]}},
        {"kind": "llm", "context": {"messages": [{"role": "user"}]}},
        {"kind": "llm", "context": {"prompt": "Hi"}, "result": "Hello"},
    ],
)
def test_without_a_message_there_is_no_conversation(line):
    """Steps of other kinds and shapes are ordinary, and show their values."""
    step = record(1, **line)

    assert None is read_call(step)
    assert "context" == [*text_render.step(step, PLAIN, full=True)][3].strip()


def test_what_is_no_message_stays_among_them():
    """Where a value was cut or has another shape, it is shown in its place."""
    odd = [text("user", "Hi"), "<dict>", {"role": "user", "parts": None}, [1]]
    shown = tree(session_of(chat(1, odd)), full=True)

    assert 3 == shown.count("    (no message)")
    assert "      <dict>" in shown


def test_texts_without_parts_are_messages():
    """What people record by hand, with a text as the content, is a message too."""
    read = read_call(
        call(1, [{"role": "user", "content": "Hi"}, {"role": "tool", "content": None}])
    )

    assert ["Hi"] == [part.value for part in read.messages[0].parts]
    assert [] == read.messages[1].parts


# --- what is new --------------------------------------------------------------------


def test_messages_of_a_call_and_its_answer_are_known_to_the_next():
    """A call goes on where an earlier call, with or without its answer, has ended."""
    first, second, third = map(record_of, weather())
    again = call(4, WEATHER[:6])

    assert [(0, None), (3, 0), (5, 1), (6, 2)] == [
        (known.messages, known.call) for known in knowns(first, second, third, again)
    ]


def test_reasoning_and_the_end_are_no_difference():
    """An answer is known though it is sent back without reasoning and its end."""
    thought = {
        "role": "assistant",
        "parts": [THINKS, {"type": "text", "content": ""}, *WEATHER[4]["parts"]],
        "finish_reason": "stop",
    }
    first = call(1, WEATHER[:2], thought)
    second = call(2, [*WEATHER[:2], WEATHER[4], WEATHER[5]])

    assert [0, 3] == [known.messages for known in knowns(first, second)]


def test_parts_may_come_back_as_messages():
    """An answer of many parts is known when each of them is a message afterwards."""
    calls = [asks("f", "1"), asks("g", "2")]
    parts = [part for message in calls for part in message["parts"]]
    thinks = {"role": "assistant", "parts": [THINKS]}
    first = call(1, WEATHER[:2], {"role": "assistant", "parts": [THINKS, *parts]})
    second = call(2, [*WEATHER[:2], thinks, *calls, tells("1", 1), tells("2", 2)])

    assert [0, 5] == [known.messages for known in knowns(first, second)]


def test_messages_that_say_nothing_are_of_no_conversation():
    """Calls that have nothing but empty messages in common have nothing in common."""
    empty = {"role": "user", "parts": []}

    assert [0, 0] == [known.messages for known in knowns(*[call(1, [empty])] * 2)]


def test_any_choice_may_go_on():
    """Whichever of several answers was taken, the conversation goes on with it."""
    one, two = text("assistant", "One."), text("assistant", "Two.")
    first = call(1, WEATHER[:2], one, two)

    for taken in (one, two):
        second = call(2, [*WEATHER[:2], taken, text("user", "Why?")])
        assert Known(3, 0) == knowns(first, second)[1]._replace(context=frozenset())


@pytest.mark.parametrize(
    "changed",
    [
        [text("user", "Is it cold?")],
        [text("assistant", "Is it warm in Paris?")],
        [{"role": "user", "parts": [{"type": "refusal", "content": "Be brief."}]}],
    ],
)
def test_other_messages_are_another_conversation(changed):
    """A call whose messages differ from the first on knows nothing."""
    assert Known() == knowns(call(1, WEATHER[:2]), call(2, changed))[1]


def test_what_the_server_keeps_goes_on():
    """A call that names the response before it is of the same conversation."""
    first = call(1, WEATHER[:2], WEATHER[4], result={"id": "resp_1"})
    more = {"parameters": {"previous_response_id": "resp_1"}}
    second = call(2, [text("user", "Why?")], context=more)

    assert (0, 0) == knowns(first, second)[1][:2]


@pytest.mark.parametrize(
    "named",
    [
        {"previous_response_id": "resp_2"},
        {"thread": {"type": "continue", "previous_message_id": "resp_2"}},
    ],
)
def test_the_same_question_again_goes_on_from_the_answer_that_it_names(named):
    """What the server keeps counts, not that the same words began a conversation."""
    first = call(1, WEATHER[:2], WEATHER[4], result={"id": "resp_1"})
    second = call(2, [text("user", "Why?")], WEATHER[4], result={"id": "resp_2"})
    again = call(3, WEATHER[:2], context={"parameters": named})

    assert (0, 1) == knowns(first, second, again)[2][:2]


def kept_by_the_server(*tools):
    """Return calls whose tools answer alone, each going on from the one before."""
    first = chat(
        1, WEATHER[:2], *(asks(*tool) for tool in tools), result={"id": "resp_1"}
    )
    more = {"parameters": {"previous_response_id": "resp_1"}}
    given_back = [tells(call_id, "21 degrees") for _, call_id in tools]
    return [first, chat(2, given_back, WEATHER[4], context=more)]


def test_a_tool_whose_answer_is_sent_alone_has_its_name():
    """Where the server keeps the call, its name is the one that the call had."""
    tools = [("get_weather", "call_1"), ("get_time", "call_2")]
    session = session_of(*kept_by_the_server(*tools))
    briefly, whole = (tree(session, full=full) for full in (False, True))

    for name, call_id in tools:
        assert f"  {name} answers  {call_id}" in talk(session)
        assert 1 == "\n".join(briefly).count(f"tool: {name} → 21 degrees")
        assert 1 == "\n".join(whole).count(f" {name} answers  {call_id}")
        assert f"\n- **tool** `{name}` answers (`{call_id}`): " in page(session)


def test_a_tool_of_another_conversation_gives_no_name():
    """A call id that another conversation has used is not that of this one."""
    (first, second) = kept_by_the_server(("get_weather", "call_1"))
    other = chat(3, [text("user", "Hi.")], asks("get_time", "call_1"))
    lost = chat(4, [tells("call_1", "noon")], context={"parameters": {"seed": 1}})
    said = talk(session_of(first, other, second, lost))

    assert 1 == said.count("  get_weather answers  call_1")
    assert 1 == said.count("  a tool answers  call_1")
    assert "  get_time answers  call_1" not in said


def test_names_of_tools_without_end_are_not_kept():
    """Of many calls of tools only the last are in mind, and no endless name."""
    met = Conversations(memory=3)
    tools = [*((f"tool_{n}", f"call_{n}") for n in range(6)), ("x" * 9_999, "call_9")]
    first, second = kept_by_the_server(*tools)
    met.meet(read_call(record_of(first)))

    last = {f"call_{n}": f"tool_{n}" for n in (3, 4, 5)}
    assert last == met.meet(read_call(record_of(second))).tools


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (
            {"type": "server_tool_use", "name": "web_search", "input": {"q": "Rome"}},
            {"type": "web_search_tool_result", "content": [{"title": "Rome"}]},
        ),
        (
            {
                "type": "mcp_tool_use",
                "name": "web_search",
                "server_name": "s",
                "input": {"q": "Rome"},
            },
            {"type": "mcp_tool_result", "content": [{"title": "Rome"}]},
        ),
    ],
)
def test_a_tool_that_the_provider_runs_is_called_and_answers(asked, answered):
    """It is shown like a tool of the program, by its name and what it gave."""
    said = {
        "role": "assistant",
        "parts": [{**asked, "id": "t1"}, {**answered, "tool_use_id": "t1"}],
    }
    session = session_of(chat(1, [text("user", "Where?")], said))
    shown = "\n".join(tree(session, full=True))

    assert "calls web_search  t1" in shown
    assert "web_search answers  t1" in shown


def test_what_else_was_seen_is_compared():
    """Instructions, tools and parameters are known only while they are the same."""
    setup = {"system": "Be brief.", "tools": [{"name": "a"}], "parameters": {"n": 1}}
    first = call(1, WEATHER[:2], context=setup)
    same = call(2, WEATHER[:2], context=setup)
    other = call(3, WEATHER[:2], context={**setup, "system": "Be kind.", "tools": []})

    _, second, third = knowns(first, same, other)
    assert (True, {"provider", "model", "tools", "parameters"}) == second[2:4]
    assert (False, {"provider", "model", "parameters"}) == third[2:4]


def test_an_answer_that_is_sent_back_with_a_name():
    """A program may name its agent in what it sends back; it is the answer still."""
    asked = [text("user", "Where?")]
    first = call(1, asked, text("assistant", "Here."))
    named = {**text("assistant", "Here."), "name": "guide"}
    second = call(2, [*asked, named, text("user", "When?")])
    other = call(3, [{**asked[0], "name": "ann"}])

    assert [0, 2, 0] == [known.messages for known in knowns(first, second, other)]


def test_a_call_that_is_recorded_twice_is_shown_once():
    """What a framework reports of a call is no answer beside that of the client."""
    asked, said = [text("user", "Where?")], text("assistant", "Here.")
    outer = chat(1, asked, said, result={"total_usage": {"input_tokens": 5}})
    inner = chat(2, asked, said, parent=1, usage={"input_tokens": 5})
    shown = talk(session_of(outer, inner))

    assert 1 == shown.count("  Here.")
    assert 1 == session_of(outer, inner).usage.calls


def test_memory_is_bounded():
    """Of a million conversations the last few thousand are kept in mind."""
    met = Conversations(memory=20)
    for number in range(200):
        met.meet(read_call(call(number, [text("user", str(number))])))

    assert 20 == len(met._ends)
    assert 1 == met.meet(read_call(call(1, [text("user", "199")]))).messages
    assert 0 == met.meet(read_call(call(1, [text("user", "0")]))).messages


def test_too_deep_to_compare_is_new():
    """What no encoder can go through is never taken for something known."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    step = call(1, [])
    step.fields["context"]["messages"] = [text("user", "Hi", deep=deep, parts=[deep])]

    assert [0, 0] == [known.messages for known in knowns(step, step)]


@given(
    st.lists(st.sampled_from(["a", "b", "c"]), max_size=6),
    st.lists(st.sampled_from(["a", "b", "c"]), max_size=6),
)
def test_known_are_the_first_messages(earlier, later):
    """What is known of a call are its first messages, all those of the earlier one."""
    first, second = (
        call(number, [text("user", said) for said in messages])
        for number, messages in ((1, ["x", *earlier]), (2, ["x", *later]))
    )
    is_prefix = later[: len(earlier)] == earlier

    known = knowns(first, second)[1]
    assert (len(earlier) + 1 if is_prefix else 0) == known.messages


# --- the tree -----------------------------------------------------------------------


def test_the_tree_shows_what_is_new():
    """Below each call stands what was said since the call before."""
    assert [
        "✔ chat toy-1 (llm) 500 ms  100 → 10 tokens  $0.001",
        "  system: Be brief.",
        "  user: Is it warm in Paris?",
        "  → assistant: get_weather(city='Paris')",
        "✔ chat toy-1 (llm) 500 ms  200 → 10 tokens  $0.001",
        "  … 3 earlier messages, +1",
        "  tool: get_weather → {celsius: 21}",
        "  → assistant: It is 21 degrees.",
        "✔ chat toy-1 (llm) 500 ms  300 → 10 tokens  $0.001",
        "  … 5 earlier messages, +1",
        "  user: And in Rome?",
        "  → assistant: Warmer.",
    ] == tree(session_of(*weather()))


def test_parts_have_a_line_each():
    """Reasoning is folded, media is named by type and size, an odd end is told."""
    parts = [THINKS, IMAGE, {"type": "refusal", "content": "No."}, {"type": "new"}]
    answer = {"role": "assistant", "parts": parts, "finish_reason": "length"}
    uri = {"type": "uri", "modality": "audio", "uri": "https://a/b.wav"}
    asked = {"role": "user", "name": "ann", "parts": [uri]}

    assert [
        "  user ann: [audio, https://a/b.wav]",
        "  → assistant (length): (reasoning, 9 characters)",
        "  → assistant (length): [image/png, 10.5 kB, sha256 abababababab]",
        "  → assistant (length): refuses: No.",
        "  → assistant (length): {type: 'new'}",
    ] == tree(session_of(chat(1, [asked], answer)))[1:]


def test_of_many_messages_the_last_are_shown():
    """A call that begins with a long history shows the end of it."""
    history = [text("user", f"number {n}") for n in range(200)]
    many = {"role": "assistant", "parts": [{"type": "text", "content": "x"}] * 50}
    shown = tree(session_of(chat(1, history, *[many] * 20)))

    assert "  … 200 messages, the last 6:" == shown[1]
    assert [f"  user: number {n}" for n in range(194, 200)] == shown[2:8]
    assert "  → assistant: … 44 more parts" == shown[14]
    assert "  … 14 more answers" == shown[-1]


def test_a_failed_call_shows_what_it_was_asked():
    """A call without an answer has its messages, and below them its error."""
    failed = chat(1, WEATHER[:2], outcome="error", error="RateLimitError: slow down")
    del failed["result"]

    assert ["  user: Is it warm in Paris?", "  RateLimitError: slow down"] == tree(
        session_of(failed)
    )[2:]


@pytest.mark.parametrize(
    ("result", "line"),
    [
        ("It is warm.", "→ It is warm."),
        ({"messages": "It is warm."}, "→ messages='It is warm.'"),
        (
            {"message": {"role": "assistant", "content": "Warm."}, "model": "toy-1"},
            "→ message={role: 'assistant', content: 'Warm.'}",
        ),
        ({"messages": [], "id": "resp_1", "finish_reasons": ["queued"]}, None),
        (None, None),
    ],
)
def test_an_answer_of_another_shape_is_shown(result: Any, line: str | None):
    """What a call gave that is no message stands where its answer would."""
    told = [] if line is None else [f"  {line}"]
    session = session_of({**chat(1, WEATHER[:2]), "result": result})
    asked = ["  system: Be brief.", "  user: Is it warm in Paris?"]

    assert [*asked, *told] == tree(session)[-2 - len(told) :]
    assert len(told) == sum("arm" in shown for shown in talk(session)[-2:-1])


def test_a_message_of_other_fields_is_not_nothing():
    """A message without a text shows what else it holds."""
    called = [{"id": "call_1", "function": {"name": "get_weather"}}]
    answer = {"role": "assistant", "content": None, "tool_calls": called}

    assert (
        "  → assistant: tool_calls=[{id: 'call_1', function: {name: 'get_weather'}}]"
        == tree(session_of(chat(1, WEATHER[:2], answer)))[-1]
    )


def test_in_full_a_call_shows_what_is_new():
    """In full stands everything that the call before has not told already."""
    first, second, third = weather()
    for line in (first, second):
        line["context"]["tools"] = [{"name": "get_weather"}]
    shown = tree(session_of(first, second, third), full=True)
    starts = [n for n, line in enumerate(shown) if line.startswith("✔")]

    assert [
        "  context",
        "    provider: 'openai'",
        "    model: 'toy-1'",
        "    tools: [{name: 'get_weather'}]",
        "  messages",
        "    system",
        "      Be brief.",
        "    user",
        "      Is it warm in Paris?",
        "  answer",
        "    assistant (tool_call)",
        "      calls get_weather  call_1",
        "        city: 'Paris'",
        "  result",
        "    model: 'toy-1-2026'",
    ] == shown[starts[0] + 3 : starts[0] + 18]
    assert [
        "  context",
        "    as before: provider, model, tools",
        "  messages",
        "    … 3 earlier messages, +1",
        "    tool",
        "      get_weather answers  call_1",
        "        {celsius: 21}",
        "  answer",
        "    assistant (stop)",
        "      It is 21 degrees.",
    ] == shown[starts[1] + 3 : starts[1] + 13]


def test_one_call_alone_is_whole_and_marked():
    """A call that is asked for shows all of its messages, and where the new begin."""
    session = session_of(*weather())
    shown = tree(session, full=True, top=session.find(step_id(2)))

    for line in ("      Be brief.", "    provider: 'openai'"):
        assert line in shown
    mark = shown.index("    +1 since the call before")
    assert "    tool" == shown[mark + 1]


@pytest.mark.parametrize("full", [False, True])
def test_new_is_new_though_others_are_not_shown(full):
    """Where some steps are left out, what is new is still by the calls before."""
    session = session_of(*weather())
    wanted = tree(session, full=full, only=lambda step: step.seq == 3)

    assert any("… 5 earlier messages, +1" in line for line in wanted)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("only", [None, lambda step: step.seq in (3, 9)])
def test_new_is_new_though_others_are_too_deep(full, only):
    """So it is where the calls before stand deeper than the tree is shown."""
    agent = fields(0, name="agent", kind="agent")
    deep = [{**line, "parent_id": agent["id"]} for line in weather()[:-1]]
    session = session_of(agent, *deep, weather()[-1])
    shown = tree(session, full=full, only=only, depth=1)

    assert any("… 5 earlier messages, +1" in line for line in shown)


def test_a_step_alone_shows_the_last_words():
    """On one line, a call is its last message and its answer."""
    (line,) = text_render.step(record_of(weather()[1]), PLAIN)

    assert line.endswith(
        "$0.001  tool: get_weather → {celsius: 21} → assistant: It is 21 degrees."
    )


def test_a_step_alone_that_failed_has_room_for_its_question():
    """On one line, a call without an answer leaves no room for one."""
    failed = chat(1, WEATHER[:2], outcome="error", error="RateLimitError")
    del failed["result"]
    refused = record_of(failed)
    whole, _ = text_render.step(refused, PLAIN)
    fitting = PLAIN._replace(width=columns(whole))

    assert whole.endswith("user: Is it warm in Paris?")
    assert whole == next(text_render.step(refused, fitting))


def test_the_header_sums_up():
    """A session with calls tells how many, their cost and their tokens."""
    unpriced = chat(9, WEATHER[:2], usage={"input_tokens": 1})
    shown = list(text_render.header(session_of(*weather(), unpriced), PLAIN))

    assert "4 LLM calls  $0.003 for 3 of 4 calls  601 (150 cached) → 30 tokens" in shown


def test_tokens_of_some_calls_are_told_as_such():
    """Header and page say of how many calls they know the tokens."""
    usage = {"input_tokens": 51, "output_tokens": 9, "cache_read_input_tokens": 2}
    calls = [chat(1, WEATHER[:2]), chat(2, WEATHER[:2]), chat(3, [], usage=usage)]
    session = session_of(*calls)
    shown = list(text_render.header(session, PLAIN))

    assert "3 LLM calls  51 (2 cached) → 9 tokens for 1 of 3 calls" in shown
    assert " | 3 | 51 (2 cached) → 9 for 1 of 3 calls | - |\n" in page(session)


def test_calls_that_tell_nothing_are_not_summed_up():
    """Where no call tells tokens or cost, header and page have no place for it."""
    session = session_of(chat(1, WEATHER[:2]))

    assert 3 == len(list(text_render.header(session, PLAIN)))
    assert "| 1 | 1 | 0 | 500.0 ms |\n" in page(session)


def test_a_tree_of_calls_streams():
    """The first calls are shown before the last ones are loaded."""
    records = [record_of(line) for number in range(50) for line in weather(3 * number)]
    loaded = []

    def load(number):
        loaded.append(number)
        return records[number]

    shown = text_render.tree(fold(iter(records), header(), load=load), PLAIN)
    for _ in range(8):
        next(shown)

    assert len(loaded) < 8


# --- the conversations alone --------------------------------------------------------


def test_each_message_once():
    """The conversation stands there once, with what each answer took."""
    assert [
        "",
        "system",
        "  Be brief.",
        "",
        "user",
        "  Is it warm in Paris?",
        "",
        "assistant",
        "  calls get_weather  call_1",
        "    city: 'Paris'",
        "  tool_call  toy-1  100 → 10 tokens  $0.001  500 ms",
        "",
        "tool",
        "  get_weather answers  call_1",
        "    {celsius: 21}",
        "",
        "assistant",
        "  It is 21 degrees.",
        "  stop  toy-1  200 → 10 tokens  $0.001  500 ms",
        "",
        "user",
        "  And in Rome?",
        "",
        "assistant",
        "  Warmer.",
        "  stop  toy-1  300 → 10 tokens  $0.001  500 ms",
    ] == talk(session_of(*weather()))


def test_conversations_are_told_apart():
    """Conversations that ran side by side are shown one after the other."""
    ours = weather(10, parent=1)
    theirs = weather(20, parent=2)
    for line in theirs:
        line["context"]["messages"][0] = text("system", "Be long.")
    mixed = [line for pair in zip(ours, theirs) for line in pair]
    for seq, line in enumerate(mixed, 10):
        line["seq"] = seq
    session = session_of(
        *mixed,
        chat(1, [], name="ours", kind="agent"),
        chat(2, [], name="theirs", kind="agent"),
    )

    shown = talk(session)
    titles = [line for line in shown if line.startswith("──")]
    assert [
        "── conversation 1 of 2  in ours",
        "── conversation 2 of 2  in theirs",
    ] == titles
    second = shown.index(titles[1])
    assert "  Be long." not in shown[:second]
    assert 1 == shown.count("  Be long.")
    assert ["  Warmer."] * 2 == [line for line in shown if "Warmer" in line]
    assert "  Warmer." in shown[second:]


def test_a_branch_is_a_conversation():
    """Two calls that go on from one place are two conversations, the rest said once."""
    first, second, _ = weather()
    other = chat(3, [*WEATHER[:3], tells("call_1", {"celsius": 0})], text("x", "Cold."))
    shown = talk(session_of(first, second, other))

    assert "… 3 earlier messages, as in conversation 1" in shown
    assert 1 == shown.count("  Be brief.")
    assert shown[-1].startswith("  toy-1")


def test_a_changed_answer_is_no_branch():
    """Where the answer is sent back in other words, the conversation goes on."""
    first = chat(1, WEATHER[:2], text("assistant", "It is warm. "))
    second = chat(2, [*WEATHER[:2], text("assistant", "It is warm."), WEATHER[5]])
    shown = talk(session_of(first, second))

    assert [] == [line for line in shown if "conversation" in line]
    assert 1 == shown.count("  Be brief.")


def test_a_call_that_failed_and_its_repetition():
    """A failure is told where it happened, and the repetition repeats nothing."""
    failed = chat(1, WEATHER[:2], outcome="error", error="RateLimitError: slow\ndown")
    again = chat(2, WEATHER[:2], WEATHER[4])

    assert [
        "",
        "  error: RateLimitError: slow⏎down",
        "  toy-1  500 ms",
        "",
        "assistant",
        "  It is 21 degrees.",
        "  toy-1  500 ms",
    ] == talk(session_of(failed, again))[6:]


def test_reasoning_is_folded():
    """Reasoning is a count of characters, and its text in full."""
    session = session_of(chat(1, WEATHER[:1], {"role": "assistant", "parts": [THINKS]}))

    assert "  (reasoning, 9 characters)" in talk(session)
    assert "    Well." not in talk(session)
    assert "    Well." in talk(session, full=True)


def test_only_conversations_with_a_wanted_call():
    """A choice of steps shows whole conversations, those with one of these steps."""
    other = chat(9, [text("user", "Alone?")], text("assistant", "Yes."))
    session = session_of(*weather(), other)
    shown = talk(session, only=lambda step: step.seq == 9)

    assert "  Yes." in shown
    assert "  Warmer." not in shown
    assert [] == talk(session, only=lambda step: False)


@pytest.mark.parametrize("width", [1, 12, 40, 80])
def test_a_conversation_fits_the_width(width):
    """Long lines are broken at spaces, and nothing of them is lost."""
    said = "a word, " * 100 + "漢字" * 50 + "x" * 100 + "\n" + " " * 60 + "far in"
    shown = talk(session_of(chat(1, [text("user", said)])), Style(width=width))

    assert all(columns(line) <= max(width, 2) for line in shown)
    assert re.sub(r"\s", "", said) in re.sub(r"\s", "", "".join(shown))


# --- the page -----------------------------------------------------------------------


def test_the_page_shows_what_is_new():
    """On the page, a call has its messages, those before in one line."""
    shown = page(session_of(*weather()))

    assert (
        "| Steps | OK | Errors | Avg duration | LLM calls | Tokens | Cost |\n"
        "|---|---|---|---|---|---|---|\n"
        "| 3 | 3 | 0 | 500.0 ms | 3 | 600 (150 cached) → 30 | $0.003 |\n"
    ) in shown
    assert "✅ `chat toy-1` (llm, 500.0 ms, 100 → 10 tokens, $0.001)\n" in shown
    assert (
        "**Messages:**\n"
        "- **system**: `Be brief.`\n"
        "- **user**: `Is it warm in Paris?`\n"
        "\n"
        "**Answer:**\n"
        "- **assistant** (tool_call) calls `get_weather` (`call_1`):\n"
        "  - `city`: 'Paris'\n"
    ) in shown
    assert (
        "**Context:**\n"
        "- as before: `provider`, `model`\n"
        "\n"
        "**Messages:**\n"
        "- … 3 earlier messages, +1\n"
        "- **tool** `get_weather` answers (`call_1`): `{celsius: 21}`\n"
        "\n"
        "**Answer:**\n"
        "- **assistant** (stop): `It is 21 degrees.`\n"
    ) in shown


def test_the_page_folds_reasoning():
    """Reasoning stands in a fold that a browser opens, its text in a fence there."""
    answer = {"role": "assistant", "parts": [THINKS]}
    shown = page(session_of(chat(1, WEATHER[:1], answer)))

    assert (
        "- **assistant**:\n\n"
        "  <details><summary>(reasoning, 9 characters)</summary>\n\n"
        "  ```text\n  Hm.\n  Well.\n  ```\n\n"
        "  </details>\n"
    ) in shown


# --- tokens and cost ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (
            {
                "usage": {
                    "input_tokens": 5,
                    "output_tokens": 4,
                    "cache_read_input_tokens": 3,
                    "cache_creation_input_tokens": 2,
                    "reasoning_output_tokens": 1,
                },
                "cost": {"usd": 0.5},
            },
            Usage(1, 5, 4, 3, 2, 1, 0.5, 1, 1),
        ),
        ({"usage": {"output_tokens": 4}}, Usage(1, output=4, metered=1)),
        ({"usage": {"reasoning_output_tokens": 4}}, Usage(1, reasoning=4)),
        ({}, Usage(1)),
        (None, Usage(1)),
        ({"total_usage": {"input_tokens": 5}}, None),
        ({"total_usage": 1, "usage": {"input_tokens": 5}}, Usage(1, 5, metered=1)),
        ([{"usage": 1}], Usage(1)),
        ({"usage": [1], "cost": "free"}, Usage(1)),
        (
            {
                "usage": {"input_tokens": True, "output_tokens": -1},
                "cost": {"usd": 1e300},
            },
            Usage(1),
        ),
        ({"usage": {"input_tokens": 10**30, "output_tokens": 1.5}}, Usage(1)),
        ({"cost": {"usd": False}}, Usage(1)),
    ],
)
def test_usage_is_read(result, expected):
    """Counts are whole numbers of a possible size; all else is unknown."""
    assert expected == usage_of(record(1, kind="llm", result=result))
    assert expected == usage_of(record(1, kind="embedding", result=result))
    assert None is usage_of(record(1, kind="tool", result=result))


def test_what_is_unknown_adds_nothing():
    """Sums are over what is known, and stay unknown where nothing is."""
    total = Usage().plus(Usage(1, 5, None, cost=0.5, priced=1)).plus(Usage(1, 1))
    total = total.plus(Usage(1, metered=1))

    assert Usage(3, 6, None, None, None, None, 0.5, 1, 1) == total


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0.0, "$0"),
        (0.000123, "$0.000123"),
        (0.00012345, "$0.000123"),
        (0.01, "$0.01"),
        (0.1, "$0.10"),
        (0.5, "$0.50"),
        (0.0999999, "$0.10"),
        (0.999999, "$1.00"),
        (1234.5, "$1,234.50"),
        (1e-12, "<$0.000000001"),
    ],
)
def test_dollars_have_three_digits_or_cents(amount, shown):
    """A cost is as exact as a person needs it."""
    assert shown == dollars(amount)


@pytest.mark.parametrize(
    ("usage", "shown"),
    [
        (Usage(1), ""),
        (Usage(1, 1812, 40, metered=1), "1,812 → 40 tokens"),
        (Usage(1, 7, metered=1), "7 tokens in"),
        (Usage(3, output=7, reasoning=2, metered=1), "7 tokens out for 1 of 3 calls"),
        (Usage(3, 51, 9, metered=1), "51 → 9 tokens for 1 of 3 calls"),
        (Usage(2, cost=0.25, priced=1), "$0.25 for 1 of 2 calls"),
    ],
)
def test_usage_in_words(usage, shown):
    """What is known of tokens and cost is told, and no more."""
    assert shown == used(usage)


def test_the_model_is_the_one_asked_for():
    """Calls count for the model that was asked for, else for the one that answered."""
    assert "toy-1" == model_of(call(1, []))
    assert "toy-1-2026" == model_of(call(1, [], context={"model": None}))
    assert "" == model_of(record(1, kind="llm", result=7))


def test_stats_by_model():
    """Tokens and cost are summed by model, the most expensive first."""
    cheap = chat(8, [], usage={"input_tokens": 7}, context={"model": "tiny"})
    failed = chat(9, [], outcome="error", error="E: x", context={"model": "tiny"})
    found = stats.collect([map(record_of, [cheap, *weather(), failed])])

    assert [
        {
            "model": "toy-1",
            "calls": 3,
            "errors": 0,
            "input_tokens": 600,
            "output_tokens": 30,
            "cache_read_input_tokens": 150,
            "cache_creation_input_tokens": None,
            "reasoning_output_tokens": 0,
            "cost_usd": 0.003,
            "priced": 3,
            "metered": 3,
            "outcomes": {"ok": 3},
        },
        {
            "model": "tiny",
            "calls": 2,
            "errors": 1,
            "input_tokens": 7,
            "output_tokens": None,
            "cache_read_input_tokens": None,
            "cache_creation_input_tokens": None,
            "reasoning_output_tokens": None,
            "cost_usd": None,
            "priced": 0,
            "metered": 1,
            "outcomes": {"ok": 1, "error": 1},
        },
    ] == found.to_dict()["models"]
    assert [
        "model         calls  errors         input  cached  output  reasoning    cost",
        "toy-1             3       0           600     150      30          0  $0.003",
        "tiny              2       1  7 for 1 of 2       -       -          -       -",
    ] == list(stats.table(found, PLAIN))[-3:]


def test_calls_that_ended_otherwise_by_model():
    """Whatever ended neither well nor in an error has a column, and no other."""
    ends = ["ok", "closed", "closed", "cancelled", "running"]
    calls = [call(n, [], outcome=end) for n, end in enumerate(ends)]
    found = stats.collect([calls])
    titles, row = [line.split() for line in stats.table(found, PLAIN)][-2:]
    (narrow,) = [
        line for line in stats.table(found, PLAIN._replace(width=60)) if "input" in line
    ]

    expected = {"closed": 2, "ok": 1, "cancelled": 1, "running": 1}
    assert expected == found.models[0].outcomes
    assert ["calls", "errors", "cancelled", "running", "closed"] == titles[1:6]
    assert ["5", "0", "1", "1", "2"] == row[1:6]
    assert ["calls", "errors", "cancelled", "input"] == narrow.split()[1:5]


def test_models_without_end_are_counted_together(monkeypatch):
    """Beyond the limit, further models share a row."""
    monkeypatch.setattr("ai_trace.render._model_stats.MODEL_LIMIT", 10)
    calls = [call(n, [], context={"model": f"m{n}" + "x" * 500}) for n in range(50)]
    models = stats.collect([calls]).models

    assert 11 == len(models)
    assert 50 == sum(each.calls for each in models)


# --- what attacks -------------------------------------------------------------------


# What may stand there of HTML.
FOLD = r"(<details><summary>\(reasoning, [\d,]+ characters?\)</summary>|</details>)"


def hostile_calls(hostile: str) -> list[dict[str, Any]]:
    """Return two calls of one conversation with a text in every place."""
    known = [
        {"type": "text", "content": hostile, hostile: hostile},
        {"type": "reasoning", "content": hostile},
        {"type": "refusal", "content": hostile},
        {"type": "tool_call", "id": hostile, "name": hostile, "arguments": hostile},
        {"type": "tool_call", "id": "x", "name": "f", "arguments": {hostile: hostile}},
        {"type": "tool_call_response", "id": hostile, "response": hostile},
        {"type": "blob", "mime_type": hostile, "bytes": 1, "sha256": hostile},
        {"type": "uri", "uri": hostile, "modality": hostile},
        {"type": hostile, "content": hostile},
        hostile,
    ]
    message = {"role": hostile, "name": hostile, "parts": known, hostile: hostile}
    answer = {**message, "finish_reason": hostile}
    more = {
        "context": {"system": hostile, "model": hostile, hostile: [hostile]},
        "result": {hostile: hostile, "model": hostile},
        "parent": 9,
    }
    first = chat(1, [message, hostile], answer, **more)
    second = chat(2, [message, hostile, message, message], answer, **more)
    failed = chat(3, [message], outcome=hostile, error=hostile, **more)
    return [first, second, failed, chat(9, [], name=hostile, kind="agent")]


@pytest.mark.parametrize("hostile", EVERYTHING.values(), ids=EVERYTHING.keys())
def test_hostile_text_stays_in_its_place(hostile):
    """Whatever place of a message a hostile text is in, each line is printable."""
    session = session_of(*hostile_calls(hostile))

    shown = [
        *text_render.tree(session, PLAIN),
        *text_render.tree(session, PLAIN, full=True),
        *talk(session),
        *talk(session, Style(width=30), full=True),
        *stats.table(stats.collect([session.steps]), PLAIN),
    ]
    for step in session.steps:
        shown += text_render.step(step, PLAIN)

    assert all(line.isprintable() for line in shown)
    assert [] == [line for line in shown if line.startswith("✔ session signed")]


@pytest.mark.parametrize("hostile", EVERYTHING.values(), ids=EVERYTHING.keys())
def test_hostile_text_does_nothing_on_the_page(hostile):
    """On the page, the folds are the only HTML, and there are no links or images."""
    parser = MarkdownIt("commonmark", {"html": True, "linkify": True})
    parser.enable(["table", "linkify"])
    found = []
    for token in parser.parse(page(session_of(*hostile_calls(hostile)))):
        found += [token, *(token.children or [])]

    html = {token.content for token in found if token.type.startswith("html")}
    assert html
    assert all(re.fullmatch(FOLD, each.strip()) for each in html), html
    tags = {token.tag for token in found} - {f"h{level}" for level in range(1, 7)}
    assert tags <= {
        *("", "p", "ul", "li", "code", "strong", "em", "br"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
)
WORDS = st.sampled_from(
    ["role", "parts", "type", "content", "name", "id", "arguments", "response", "usage"]
)
KINDS_OF_PART = st.sampled_from(
    ["text", "reasoning", "refusal", "tool_call", "tool_call_response", "uri", "blob"]
)
VALUES = st.recursive(
    st.one_of(SCALARS, KINDS_OF_PART),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(WORDS, st.text(max_size=3)), inner, max_size=4),
        st.fixed_dictionaries({"type": KINDS_OF_PART}, optional={"content": inner}),
        st.fixed_dictionaries({"role": SCALARS, "parts": inner}),
    ),
    max_leaves=20,
)
PLACES = st.sampled_from(
    ["messages", "system", "tools", "parameters", "model", "usage", "cost", "id"]
)
FIELDS = st.dictionaries(PLACES, VALUES, max_size=6)


@given(st.lists(st.tuples(FIELDS, st.one_of(FIELDS, VALUES)), min_size=1, max_size=3))
def test_any_shape_is_shown(calls: Sequence[tuple[dict[str, Any], Any]]):
    """Whatever stands where messages are expected is shown, and stops nothing."""
    steps = [
        record(number, kind="llm", context=context, result=result)
        for number, (context, result) in enumerate(calls)
    ]
    session = fold(steps, header())

    shown = [
        *text_render.tree(session, PLAIN),
        *text_render.tree(session, PLAIN, full=True),
        *talk(session, Style(width=40)),
        *stats.table(stats.collect([steps]), PLAIN),
    ]
    assert all(line.isprintable() for line in shown)
    assert page(session).startswith("# Trace")


@given(st.lists(VALUES, max_size=4))
def test_in_full_no_value_is_lost(messages: list[Any]):
    """Of messages of any shape, every text stands somewhere in the full view."""
    session = session_of(chat(1, [text("user", "Hi"), *messages]))
    shown = "\n".join(text_render.tree(session, PLAIN, full=True))

    def texts(value):
        if isinstance(value, str):
            yield value
        elif isinstance(value, (list, dict)):
            for item in value.values() if isinstance(value, dict) else value:
                yield from texts(item)

    words = [word for each in messages for word in texts(each)]
    plain = [word for word in words if word.isalnum() and word.isascii()]
    assert [] == [word for word in plain if word not in shown]
