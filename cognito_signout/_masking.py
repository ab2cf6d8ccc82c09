"""Masks usernames and text that looks like a key in texts that come from outside.

Services quote what they were sent: Cognito quotes the username, and AWS quotes the whole request, session token
included, when it refuses a signature. Credential sources, parsers of configuration files and custom transports may
quote anything in their exceptions, which a traceback would show.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MASK = "***"

#: Names shorter than this are masked only as whole words: most texts contain an "a", and ``***ws configure`` hides
#: nothing.
MIN_LENGTH = 4

_ID = r"[A-Za-z0-9-]{,64}"

#: A character of base64, plain or as URLs and JSON spell it.
_UNIT = r"(?:[A-Za-z0-9/+]|%2[BbFf]|%3[Dd]|\\/)"
#: A secret access key has 40 characters of base64, a session token more than 100. Both contain upper-case and
#: lower-case letters and digits, which long paths and hexadecimal hashes rarely do. Signatures are matched by name.
#: ARNs are spared: the names of roles can look like keys, and errors are about them.
# It is a string, because compiling it takes long and is only needed for errors.
_KEY = (
    r"(?P<arn>arn:aws[a-z-]*:[A-Za-z0-9:/+=,.@_-]+)"
    r"|(?<![A-Za-z0-9/+])(?=[a-z0-9/+%\\]*[A-Z])(?=[A-Z0-9/+%\\]*[a-z])(?=[A-Za-z/+%\\]*[0-9])"
    rf"(?:{_UNIT}{{100,}}|{_UNIT}{{40}})(?![A-Za-z0-9/+])={{0,2}}"
    r"|(?<=Signature=)[0-9a-fA-F]{64}"
)


def masked(text: str, username: str | None) -> str:
    """The text with ``***`` instead of the username, in any spelling, and of keys.

    Args:
        text: The text.
        username: The username, if the text is about a user.
    """
    keys = [match.span() for match in re.finditer(_KEY, text) if match["arn"] is None]
    return _without(text, keys + _names(text, username))


def masked_id(text: str, username: str | None) -> str:
    """The same for the ID of a request, which may look like a key: some fake services create such IDs."""
    return _without(text, _names(text, username)) if re.fullmatch(_ID, text) else masked(text, username)


def _names(text: str, username: str | None) -> list[tuple[int, int]]:
    """The positions of the username."""
    if not username:
        return []
    from urllib.parse import quote

    # If usernames are case-insensitive, Cognito quotes them in lower case. IGNORECASE does not cover a few letters: "İ"
    # becomes two characters, and so does "ß" in upper case. JSON and percent encoding occur in quoted requests.
    spellings = {username, username.casefold()}
    spellings |= {json.dumps(name)[1:-1] for name in spellings}
    spellings |= {quote(username, safe="", errors="replace"), quote(username, errors="replace")}
    pattern = "|".join(map(re.escape, sorted(spellings, key=len, reverse=True)))
    if len(username) < MIN_LENGTH:
        pattern = rf"(?<![^\W_])(?:{pattern})(?![^\W_])"
    return [match.span() for match in re.finditer(pattern, text, flags=re.IGNORECASE)]


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with a mask for each span. Overlapping spans get one mask."""
    shown, end = "", 0
    for start, stop in sorted(spans):
        if start >= end:
            shown += text[end:start] + MASK
        end = max(end, stop)
    return shown + text[end:]


def safe_to_show(cause: BaseException | None, username: str | None = None) -> BaseException | None:
    """The cause of an exception, or ``None`` if a traceback must not show it or one of its own causes."""
    return None if any(_tells(error, username) for error in _shown_with(cause)) else cause


def _tells(error: BaseException, username: str | None) -> bool:
    # The parser of configuration files quotes the lines that it can't parse.
    texts = [_text(error), *getattr(error, "__notes__", ())]
    return type(error).__module__ == "configparser" or any(text != masked(text, username) for text in texts)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 -- a traceback shows nothing of it, either
        return ""


def _shown_with(error: BaseException | None) -> Iterator[BaseException]:
    """The exception and the others that a traceback shows with it."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        shown: Any = waiting.pop()
        if shown is None or id(shown) in seen:
            continue
        seen.add(id(shown))
        yield shown
        waiting.append(shown.__cause__)
        waiting.append(None if shown.__suppress_context__ else shown.__context__)
        waiting.extend(getattr(shown, "exceptions", ()) if hasattr(shown, "derive") else ())
