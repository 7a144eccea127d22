"""What does a shell need so that TAB completes the command line of `labgate`?"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from labgate._catalog import Catalog

COMMANDS = {
    "completion": 'print what makes a shell complete these commands: eval "$(labgate completion bash)"'
}

# Bash splits words at `=` too, and then wants only what stands behind it.
_BASH = r"""_labgate() {
    local line current=${COMP_WORDS[COMP_CWORD]} typed
    typed=${COMP_LINE:0:COMP_POINT}
    typed=${typed##*[[:space:]]}
    COMPREPLY=()
    while IFS= read -r line; do
        case $typed in *=*) line=${line#*=} ;; esac
        COMPREPLY+=("$line")
    done < <(labgate completion words "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
    if [ "${#COMPREPLY[@]}" -eq 1 ]; then
        case ${COMPREPLY[0]} in *[.=]) compopt -o nospace ;; esac
    fi
}
complete -o default -F _labgate labgate
"""
_ZSH = r"""#compdef labgate
_labgate() {
    local line typed="${BUFFER[1,CURSOR]}"
    local -a whole open
    while IFS= read -r line; do
        case $line in
            *[.=]) open+=("$line") ;;
            *) whole+=("$line") ;;
        esac
    done < <(labgate completion words "$typed" 2>/dev/null)
    (( $#whole )) && compadd -- "${whole[@]}"
    (( $#open )) && compadd -S '' -- "${open[@]}"
    (( $#whole + $#open )) || _files
}
compdef _labgate labgate
"""
# Only where there are words, fish shall not offer files.
_FISH = r"""function __labgate_has_words
    set -g __labgate_words (labgate completion words (commandline -cp) 2>/dev/null)
    test (count $__labgate_words) -gt 0
end
complete -c labgate -f -k -n __labgate_has_words -a '$__labgate_words'
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def add(commands: Any) -> list[Any]:
    """The parser of this command."""
    completion = commands.add_parser("completion", help=COMMANDS["completion"])
    completion.add_argument(
        "shell",
        choices=[*_SCRIPTS, "words"],
        help="the shell; `words` is what these ask for the words of a line",
    )
    completion.add_argument("line", nargs="?", default="", help="with `words`: the line up to the cursor")
    return []  # it speaks to no gate


def run(given: argparse.Namespace, *, for_people: bool) -> None:  # noqa: ARG001 - every command's signature
    """Carry it out."""
    if given.shell != "words":
        sys.stdout.write(_SCRIPTS[given.shell])
        return
    from labgate._completion import candidates
    from labgate.cli import command_parser

    for word in candidates(given.line, command_parser(), kept_catalog, profile_names):
        print(word)


def kept_catalog(address: str | None, datastack: str | None, profile: str | None) -> Catalog | None:
    """The catalog that was kept of a gate, as this user would be given it; nobody is asked."""
    from labgate._cachefile import CatalogFile
    from labgate._folders import cache_folder
    from labgate._prepared import credential_of
    from labgate._profiles import wanted_profile
    from labgate._tokens import find_token
    from labgate._whereabouts import find_gate
    from labgate.errors import Error

    try:
        chosen = wanted_profile(profile, address, datastack, os.environ)
        if chosen is not None:
            address, datastack = address or chosen.url, datastack or chosen.datastack
        where = find_gate(address, datastack, os.environ)
        key = find_token(
            where.address,
            None,
            os.environ,
            hearsay=where.hearsay,
            datastack=datastack,
            profile_file=None if chosen is None else chosen.token_file,
        )
    except (Error, OSError):
        return None
    name = key if key is None or isinstance(key, str) else credential_of(where.address, key).name
    return CatalogFile(cache_folder(), str(where.address), datastack, name).load()


def profile_names() -> list[str]:
    """The profiles of this user; none where they cannot be read."""
    from labgate._profiles import read_profiles
    from labgate.errors import Error

    try:
        return list(read_profiles())
    except (Error, OSError):
        return []
