"""What may be shown of texts that others wrote: no username, and nothing that looks like a key.

Pure. Services echo what they were sent: Cognito the username, and AWS, where it refuses a signature, the request that
it was to sign, session token included. Sources of credentials, parsers of configuration files and transports of
others quote in their exceptions whatever they please; a traceback would show that, too.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MASK = "***"

#: Names shorter than this are looked for as words of their own: there is an "a" in most texts, and nothing is hidden by
#: ``***ws configure``.
MIN_LENGTH = 4

_ID = re.compile(r"[A-Za-z0-9-]{,64}")

#: A character of base64, as it is and as URLs and JSON spell it.
_UNIT = r"(?:[A-Za-z0-9/+]|%2[BbFf]|%3[Dd]|\\/)"
#: A secret access key has 40 characters of base64, a session token more than 100; there are letters of both cases and
#: digits in either, which a path or a hash in hexadecimal that is as long hardly has. And signatures, where they are
#: named. The names of roles in ARNs, which errors are about, can look alike.
_KEY = re.compile(
    r"(?P<arn>arn:aws[a-z-]*:[A-Za-z0-9:/+=,.@_-]+)"
    r"|(?<![A-Za-z0-9/+])(?=[a-z0-9/+%\\]*[A-Z])(?=[A-Z0-9/+%\\]*[a-z])(?=[A-Za-z/+%\\]*[0-9])"
    rf"(?:{_UNIT}{{100,}}|{_UNIT}{{40}})(?![A-Za-z0-9/+])={{0,2}}"
    r"|(?<=Signature=)[0-9a-fA-F]{64}"
)


def masked(text: str, username: str | None) -> str:
    """The text with ``***`` in the place of the username, however it is spelled, and of keys.

    Args:
        text: The text.
        username: The username, if it is about one.
    """
    keys = [match.span() for match in _KEY.finditer(text) if match["arn"] is None]
    return _without(text, keys + _names(text, username))


def masked_id(text: str, username: str | None) -> str:
    """The same for the id of a request, which may look like a key: the fake services of others make such."""
    return _without(text, _names(text, username)) if _ID.fullmatch(text) else masked(text, username)


def _names(text: str, username: str | None) -> list[tuple[int, int]]:
    """Where the username is."""
    if not username:
        return []
    from urllib.parse import quote

    # Cognito's usernames may be case-insensitive, and then it echoes them in lower case; which, for a few letters, is
    # more than IGNORECASE knows of: "İ" becomes two characters, and so does "ß" in upper case. And whoever quotes a
    # request may quote it as it was written.
    spellings = {username, username.casefold()}
    spellings |= {json.dumps(name)[1:-1] for name in spellings}
    spellings |= {quote(username, safe="", errors="replace"), quote(username, errors="replace")}
    pattern = "|".join(map(re.escape, sorted(spellings, key=len, reverse=True)))
    if len(username) < MIN_LENGTH:
        pattern = rf"(?<![^\W_])(?:{pattern})(?![^\W_])"
    return [match.span() for match in re.finditer(pattern, text, flags=re.IGNORECASE)]


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with a mask for each span, or for those that overlap."""
    shown, end = "", 0
    for start, stop in sorted(spans):
        if start >= end:
            shown += text[end:start] + MASK
        end = max(end, stop)
    return shown + text[end:]


def safe_to_show(cause: BaseException | None, username: str | None = None) -> BaseException | None:
    """The exception that another one came from, if a traceback may show it, and all that it came from itself."""
    return None if any(_tells(error, username) for error in _shown_with(cause)) else cause


def _tells(error: BaseException, username: str | None) -> bool:
    # What can't be parsed, the parser of configuration files quotes, line by line.
    texts = [_text(error), *getattr(error, "__notes__", ())]
    return type(error).__module__ == "configparser" or any(text != masked(text, username) for text in texts)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 -- it is anybody's; a traceback shows as much of it
        return ""


def _shown_with(error: BaseException | None) -> Iterator[BaseException]:
    """The exception and those that a traceback shows with it."""
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
