"""
The scripts that let shells complete this command, made from its parsers.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ai_trace._record import KINDS


Parsers = Mapping[str, "tuple[str, argparse.ArgumentParser]"]

# What the values of some options are, by their names in the parsed command line.
_DIRECTORIES, _FILES, _AGENTS = "directories", "files", "agents"
_KNOWN = {"dir": _DIRECTORIES, "output": _FILES, "agent": _AGENTS}
_SESSION = ("session", "sessions")
_FRONT = ("--dir", "--help", "--version")


class _Option(NamedTuple):
    # An option; or a positional argument, which has no names.
    names: Sequence[str]
    help: str
    takes_value: bool
    words: Sequence[str]
    what: str

    @property
    def is_session(self) -> bool:
        return self.what in _SESSION


def script(shell: str, parsers: Parsers) -> str:
    """
    Return the script for a shell.

    Args:
        shell: ``bash``, ``zsh`` or ``fish``.
        parsers: What each verb does, and its parser.
    """
    verbs = {verb: what for verb, (what, _) in parsers.items()}
    options = {verb: list(_options(parser)) for verb, (_, parser) in parsers.items()}
    lines = {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]
    return "".join(f"{line}\n" for line in lines(verbs, options))


def _options(parser: argparse.ArgumentParser) -> Iterator[_Option]:
    for action in parser._actions:
        words = KINDS if action.dest == "kind" else action.choices or ()
        yield _Option(
            names=action.option_strings,
            help=(action.help or "").partition(":")[0],
            takes_value=action.nargs != 0,
            words=[str(word) for word in words],
            what=_KNOWN.get(action.dest, action.dest),
        )


# --- bash ----------------------------------------------------------------------------

_BASH = """\
# Completes ai-trace in bash.
_ai_trace_names() {
    local IFS=$'\\n'
    local names=("${COMP_WORDS[0]}" "${dir[@]}" completion "$1" ${current:+"$current"})
    COMPREPLY=($("${names[@]}" 2>/dev/null))
}
_ai_trace() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
    local verb= dir=() place words=
    COMPREPLY=()
    # Of --outcome=error, bash makes three words.
    [[ $before != = ]] || before=${COMP_WORDS[COMP_CWORD-2]}
    [[ $current != = ]] || current=
    for ((place = 1; place < COMP_CWORD; place++)); do
        case ${COMP_WORDS[place]} in
            --dir)
                [[ ${COMP_WORDS[place+1]} != = ]] || ((place++))
                dir=(--dir "${COMP_WORDS[++place]/#\\~/$HOME}")
                # As it was typed, it has its quotes.
                dir[1]=${dir[1]//[\\"\\'\\\\]/} ;;
            -*) ;;
            *) [[ $verb ]] || verb=${COMP_WORDS[place]} ;;
        esac
    done
    case $verb:$before:$current in
        *:--dir:*) COMPREPLY=($(compgen -d -- "$current")) ;;"""
_BASH_END = """\
    esac
    [[ ! $words ]] || COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _ai_trace ai-trace"""


def _bash(
    verbs: Mapping[str, str], options: Mapping[str, Sequence[_Option]]
) -> Iterator[str]:
    yield _BASH
    for verb, each in options.items():
        for option in filter(_takes_value, each):
            cases = " | ".join(f"{verb}:{name}:*" for name in option.names)
            yield f"        {cases}) {_bash_value(option)} ;;"
        names = " ".join(name for option in each for name in option.names)
        yield f"        {verb}:*:-*) words={shlex.quote(names)} ;;"
        for option in each:
            if not option.names and (option.is_session or option.words):
                yield f"        {verb}:*) {_bash_value(option)} ;;"
    words = " ".join([*verbs, *_FRONT])
    yield f"        :*) words={shlex.quote(words)} ;;"
    yield _BASH_END


def _takes_value(option: _Option) -> bool:
    return bool(option.names) and option.takes_value


def _bash_value(option: _Option) -> str:
    if option.what == _AGENTS:
        return "_ai_trace_names agents"
    if option.is_session:
        return "_ai_trace_names sessions"
    # Where nothing is known, the shell offers the names of files.
    return f"words={shlex.quote(' '.join(option.words))}" if option.words else ":"


# --- zsh -----------------------------------------------------------------------------

_ZSH = """\
#compdef ai-trace
# Completes ai-trace in zsh.
_ai_trace_names() {
    compadd -- ${(f)"$($command $dir completion $1 $PREFIX 2>/dev/null)"}
}
_ai_trace_sessions() { _ai_trace_names sessions; _files }
_ai_trace_agents() { _ai_trace_names agents }
_ai_trace() {
    local command=$words[1] dir=() place state line
    typeset -A opt_args
    # As they were typed, words have their quotes.
    for ((place = 2; place < CURRENT; place++)); do
        case $words[place] in
            --dir) dir=(--dir ${(Q)${words[++place]/#\\~/$HOME}}) ;;
            --dir=*) dir=(--dir ${(Q)${${words[place]#--dir=}/#\\~/$HOME}}) ;;
        esac
    done
    _arguments -C -A '-*' '(-h --help)'{-h,--help}'[help]' '--version[version]' \\
        '--dir=[directory of the traces]:directory:_files -/' \\
        '1:verb:->verb' '*::word:->word'
    case $state in
        verb) local verbs=("""
_ZSH_LAST = """\
        esac ;;
    esac
}
if [[ $funcstack[1] == _ai_trace ]]; then
    _ai_trace "$@"
else
    compdef _ai_trace ai-trace
fi"""
_ZSH_VALUES = {
    _DIRECTORIES: ":directory:_files -/",
    _FILES: ":file:_files",
    _AGENTS: ":agent:_ai_trace_agents",
}


def _zsh(
    verbs: Mapping[str, str], options: Mapping[str, Sequence[_Option]]
) -> Iterator[str]:
    yield _ZSH
    for verb, what in verbs.items():
        yield f"            {shlex.quote(verb + ':' + what.replace(':', ' -'))}"
    yield "        )"
    yield "        _describe verb verbs ;;"
    yield "        word) case $line[1] in"
    for verb, each in options.items():
        specs = " ".join(shlex.quote(spec) for one in each for spec in _zsh_specs(one))
        yield f"            {verb}) _arguments {specs} ;;"
    yield _ZSH_LAST


def _zsh_specs(option: _Option) -> Iterator[str]:
    words = f":word:({' '.join(option.words)})" if option.words else ""
    value = words or _ZSH_VALUES.get(option.what, ":value:")
    if option.is_session:
        yield "*:session:_ai_trace_sessions"
    elif not option.names and words:
        yield f"1{words}"
    for name in option.names:
        help_ = option.help.replace("[", "(").replace("]", ")").replace(":", " ")
        sign = "=" if option.takes_value and name.startswith("--") else ""
        yield f"{name}{sign}[{help_}]{value if option.takes_value else ''}"


# --- fish ----------------------------------------------------------------------------

_FISH = """\
# Completes ai-trace in fish.
function __ai_trace_names
    set -l words (commandline -opc)
    set -l dir
    set -l before
    for word in $words
        test "$before" = --dir
        and set dir --dir (string replace -r '^~' $HOME -- $word)
        string match -q -- '--dir=*' $word
        and set dir --dir (string replace -r '^--dir=' '' -- $word)
        set before $word
    end
    set -l current (commandline -ct)
    set current (string replace -r '^--[a-z]+=' '' -- "$current")
    test -n "$current"; or set -e current
    command $words[1] $dir completion $argv[1] $current 2>/dev/null
end
function __ai_trace_verb
    set -l words (commandline -opc)
    set -l place 2
    while set -q words[$place]
        switch $words[$place]
            case --dir
                set place (math $place + 1)
            case '-*'
            case '*'
                test (count $argv) -gt 0; and contains -- $words[$place] $argv
                return
        end
        set place (math $place + 1)
    end
    test (count $argv) -eq 0
end
complete -c ai-trace -f
complete -c ai-trace -n __ai_trace_verb -l version -d 'print the version'
complete -c ai-trace -n __ai_trace_verb -s h -l help -d help
complete -c ai-trace -n __ai_trace_verb -l dir -x -a '(__fish_complete_directories)'"""
_FISH_VALUES = {
    _DIRECTORIES: "-x -a '(__fish_complete_directories)'",
    _FILES: "-r -F",
    _AGENTS: "-x -a '(__ai_trace_names agents)'",
}


def _fish(
    verbs: Mapping[str, str], options: Mapping[str, Sequence[_Option]]
) -> Iterator[str]:
    yield _FISH
    for verb, what in verbs.items():
        help_ = shlex.quote(what)
        yield f"complete -c ai-trace -n __ai_trace_verb -a {verb} -d {help_}"
    for verb, each in options.items():
        for option in each:
            words = f"complete -c ai-trace -n '__ai_trace_verb {verb}'"
            yield " ".join(filter(None, (words, *_fish_words(option))))


def _fish_words(option: _Option) -> Iterator[str]:
    words = shlex.quote(" ".join(option.words))
    if not option.names:
        names = "-F -k -a '(__ai_trace_names sessions)'"
        yield names if option.is_session else f"-a {words}"
        return
    for name in option.names:
        yield f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
    if option.takes_value:
        value = f"-x -a {words}" if option.words else "-x"
        yield _FISH_VALUES.get(option.what, value)
    yield f"-d {shlex.quote(option.help)}"
