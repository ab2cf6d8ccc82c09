"""Masks secrets and usernames in texts that come from outside.

Services quote what they were sent: Cognito quotes the username, and AWS quotes the whole request, session token
included, when it refuses a signature. :func:`masked` finds known values, however they are spelled. Sources of
credentials, and botocore, may quote values that are not known yet: :func:`without_keys` finds what looks like a key.

Both undo the escapes in the text (JSON, Python, percent, HTML) step by step, search the result of each step, and mask
the same place in the original. The time is linear in the length of the text, and long texts are cut.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MASK = "***"

#: The maximum length of a text that is shown, in bytes.
MAX_TEXT = 4096
#: How many more characters are searched. The longest username fits in them, even if every character is escaped twice.
_MARGIN = 4096

#: Names and passwords shorter than this are masked only as whole words: most texts contain an "a", and
#: ``***ws configure`` hides nothing.
MIN_NAME = 4
#: In names of at least this length, white space is ignored, because a text may be wrapped.
_WRAPPED_NAME = 8
#: A part of a secret is masked if it has at least this many characters.
MIN_PART = 16
#: How many times escapes are undone: a request that is quoted in JSON contains JSON.
_MAX_STEPS = 3

# These are strings, because compiling them takes long and is only needed for errors.
#: An octet: percent-encoded, as a ``\x`` escape of Python, or as a character from decoding with a wrong encoding.
_OCTET = r"%[0-9a-fA-F]{2}|\\x[0-9a-fA-F]{2}|[\x80-\xff\udc80-\udcff]"
_ESCAPE = (
    rf"(?P<octets>(?:{_OCTET})+)"
    r"|(?P<pair>(?:[\\%]u[dD][89abAB][0-9a-fA-F]{2})(?:[\\%]u[dD][c-fC-F][0-9a-fA-F]{2}))"
    r"|[\\%]u(?P<utf16>[0-9a-fA-F]{4})|\\U(?P<utf32>[0-9a-fA-F]{8})|\\u\{(?P<braces>[0-9a-fA-F]{1,6})\}"
    r"|\\(?P<character>.)"
    r"|(?P<html>&(?:#[0-9]{1,8}|#[xX][0-9a-fA-F]{1,8}|[0-9a-zA-Z]{2,32}(?=;));?)"
)
_ACCESS_KEY_ID = r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{12,}"
#: The length of a secret key. Longer texts may be tokens.
_KEY_LENGTH = 40
#: What may contain a key. An ARN is not searched: an administrator needs it, and role names look like keys.
_MAY_CONTAIN_KEY = rf"arn:[\w+=.@/:-]+|(?P<run>[A-Za-z0-9/+_-]{{{_KEY_LENGTH},}}=*)"
_KINDS = {
    code: "A" if chr(code).isupper() else "a" if chr(code).isalpha() else "0"
    for code in (*range(48, 58), *range(65, 91), *range(97, 123))
}
#: Pairs of neighbours that are frequent in keys: two different kinds, and pairs that are rare in words and paths.
_DIFFERENT = frozenset({"Aa", "aA", "A0", "0A", "a0", "0a"})
_RARE_IN_WORDS = frozenset({"AA", "A0", "0A", "a0", "0a"})
_WORD = r"\S+"


class _Spelled(NamedTuple):
    """A text with its escapes undone, and where each of its characters is in the original text."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """A part of this text as a part of the original."""
        return self.starts[start], self.ends[end - 1]


def masked(text: str, username: str = "", secrets: Iterable[str] = ()) -> str:
    """The text, cut at 4 KiB, with ``***`` instead of the username and of secrets, in any spelling.

    Args:
        text: The text.
        username: The username, if the text is about a user.
        secrets: Keys, tokens, signatures and passwords. Parts of 16 characters are masked, too.
    """
    secrets = list(secrets)

    def find(spelled: _Spelled) -> Iterator[tuple[int, int]]:
        if username:
            yield from _spans_of_name(spelled, username)
        if secrets:
            yield from _spans_of_secrets(spelled, secrets)

    return _without(text, find)


def without_keys(text: str) -> str:
    """The text, cut at 4 KiB, with ``***`` for what looks like an AWS key, and for user and password in URLs."""
    return _without(text, _spans_of_keys)


def text_of(error: BaseException) -> str:
    """The text of an exception, masked by :func:`without_keys`."""
    return without_keys(_text(error))


def safe_to_show(cause: BaseException | None, username: str = "", secrets: Iterable[str] = ()) -> BaseException | None:
    """The cause of an exception, or ``None`` if a traceback must not show it or one of its own causes."""

    def is_safe(text: str) -> bool:
        return text == without_keys(text) == masked(text, username, secrets)

    return cause if all(_is_safe(error, is_safe) for error in _shown_with(cause)) else None


def _without(text: str, find: Callable[[_Spelled], Iterable[tuple[int, int]]]) -> str:
    """The text, cut, with a mask for each span that is found. Overlapping spans get one mask."""
    searched = text[: MAX_TEXT + _MARGIN]
    spans = sorted({span for spelled in _spellings(searched) for span in find(spelled)})
    shown, end = "", 0
    for start, stop in spans:
        if start >= MAX_TEXT:
            break
        if start > end or not shown.endswith(MASK):
            shown += text[end:start] + MASK
        end = max(end, stop)
    shown += text[end : max(end, MAX_TEXT)]
    octets = shown.encode("utf-8", "backslashreplace")
    if len(octets) > MAX_TEXT or max(end, MAX_TEXT) < len(text):
        octets = octets[: MAX_TEXT - 3]
        return octets.decode("utf-8", "ignore") + "…"
    return octets.decode()


# Undoing escapes


def _spellings(text: str) -> Iterator[_Spelled]:
    """The text as it is, and with its escapes undone: once, twice, …"""
    spelled = _Spelled(text, range(len(text)), range(1, len(text) + 1))
    yield spelled
    for _ in range(_MAX_STEPS):
        undone = _undone(spelled)
        if undone.text == spelled.text:
            return
        spelled = undone
        yield spelled


def _undone(spelled: _Spelled) -> _Spelled:
    """The text with JSON, Python, percent and HTML escapes undone once."""
    text = spelled.text
    if text.isascii() and not ("\\" in text or "%" in text or "&" in text):
        return spelled
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0

    def keep(end: int) -> None:
        parts.append(text[at:end])
        starts.extend(spelled.starts[at:end])
        ends.extend(spelled.ends[at:end])

    for match in re.finditer(_ESCAPE, text, re.DOTALL):
        keep(match.start())
        at = match.end()
        for characters, start, end in _decoded(match):
            parts.append(characters)
            starts += [spelled.starts[start]] * len(characters)
            ends += [spelled.ends[end - 1]] * len(characters)
    keep(len(text))
    return _Spelled("".join(parts), starts, ends)


def _decoded(match: re.Match[str]) -> Iterator[tuple[str, int, int]]:
    """The characters that an escape sequence stands for, each with the start and the end of its escape."""
    if match["octets"]:
        yield from _decoded_octets(match)
        return
    if match["pair"]:
        characters = bytes.fromhex(match[0][2:6] + match[0][8:]).decode("utf-16-be")
    elif match["character"]:
        characters = " " if match["character"] in "nrt" else match["character"]
    elif match["html"]:
        import html

        characters = html.unescape(match[0])
    else:
        point = int(match["utf16"] or match["utf32"] or match["braces"], 16)
        characters = chr(point) if point < 0x110000 else ""
    yield characters, match.start(), match.end()


def _decoded_octets(match: re.Match[str]) -> Iterator[tuple[str, int, int]]:
    """The characters that octets stand for: in UTF-8, else in Latin-1."""
    spans = [found.span() for found in re.finditer(_OCTET, match[0])]
    octets = bytes(
        [int(match[0][end - 2 : end], 16) if end - start > 1 else ord(match[0][start]) & 0xFF for start, end in spans]
    )
    at = 0
    while at < len(octets):
        lead = octets[at]
        size = 1 if lead < 0xC0 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
        try:
            character = octets[at : at + size].decode()
        except UnicodeDecodeError:
            size, character = 1, chr(lead)
        yield character, match.start() + spans[at][0], match.start() + spans[at + size - 1][1]
        at += size


def _without_space(spelled: _Spelled) -> _Spelled:
    if len(spelled.text.split(None, 1)) < 2 and spelled.text.strip() == spelled.text:
        return spelled
    kept = [at for at, character in enumerate(spelled.text) if not character.isspace()]
    starts, ends = spelled.starts, spelled.ends
    return _Spelled("".join(spelled.text.split()), [starts[at] for at in kept], [ends[at] for at in kept])


def _folded(spelled: _Spelled) -> _Spelled:
    """The text, each character decomposed and in lower case."""
    if spelled.text.isascii():
        return spelled._replace(text=spelled.text.lower())
    texts = [_folded_character(character) for character in spelled.text]
    starts = [start for text, start in zip(texts, spelled.starts, strict=True) for _ in text]
    ends = [end for text, end in zip(texts, spelled.ends, strict=True) for _ in text]
    return _Spelled("".join(texts), starts, ends)


def _folded_character(character: str) -> str:
    if character.isascii():
        return character.lower()
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).upper().casefold())


# Finding values


def _spans_of_name(spelled: _Spelled, username: str) -> Iterator[tuple[int, int]]:
    """Where the username is, in any letter case and Unicode normal form."""
    names = _texts_of(username)
    if len(username) >= _WRAPPED_NAME:
        spelled, names = _without_space(spelled), {"".join(name.split()) for name in names}
    folded = _folded(spelled)
    for name in names:
        yield from _spans_of_text(folded, "".join([_folded_character(character) for character in name]))


def _spans_of_secrets(spelled: _Spelled, secrets: list[str]) -> Iterator[tuple[int, int]]:
    """Where parts of the secrets are, and the whole of short ones. Base64 and base64url count as the same."""
    spelled = _without_space(spelled)
    spelled = spelled._replace(text=_as_base64(spelled.text))
    text, secrets = spelled.text, [_as_base64(text) for secret in secrets for text in _texts_of(secret)]
    for secret in secrets:
        if len(secret) < MIN_PART:
            yield from _spans_of_text(spelled, secret)
    known = "\n".join([secret for secret in secrets if len(secret) >= MIN_PART])
    # Each part of 16 characters contains one of these blocks of 8. Most blocks are in no secret, and are skipped.
    half = MIN_PART // 2
    for block in range(0, len(text), half):
        if text[block : block + half] in known:
            for at in range(max(block - half + 1, 0), min(block, len(text) - MIN_PART) + 1):
                if text[at : at + MIN_PART] in known:
                    yield spelled.span(at, at + MIN_PART)


def _texts_of(value: str) -> set[str]:
    """A known value, and what is left of it if its own escape sequences are undone, as in ``50%41``."""
    return {spelled.text for spelled in _spellings(value)}


def _as_base64(text: str) -> str:
    return "".join(text.split()).replace("-", "+").replace("_", "/")


def _spans_of_text(spelled: _Spelled, wanted: str) -> Iterator[tuple[int, int]]:
    text, is_short = spelled.text, len(wanted) < MIN_NAME
    at = text.find(wanted) if wanted else -1
    while at >= 0:
        end = at + len(wanted)
        is_word = not (text[at - 1 : at].isalnum() or text[end : end + 1].isalnum())
        if is_word or not is_short:
            yield spelled.span(at, end)
        at = text.find(wanted, at + 1 if is_short else end)


def _spans_of_keys(spelled: _Spelled) -> Iterator[tuple[int, int]]:
    text = spelled.text
    for match in re.finditer(_ACCESS_KEY_ID, text):
        yield spelled.span(*match.span())
    for match in re.finditer(_MAY_CONTAIN_KEY, text, re.ASCII):
        for at in _windows_like_keys(match["run"] or ""):
            # The padding of a token is a part of it.
            end = match.start() + at + _KEY_LENGTH
            yield spelled.span(match.start() + at, match.end() if text[end : end + 1] == "=" else end)
    for word in re.finditer(_WORD, text):
        start, end = word[0].find("://"), word[0].rfind("@")
        if 0 <= start < end - 3:
            yield spelled.span(word.start() + start + 3, word.start() + end)


def _windows_like_keys(text: str) -> Iterator[int]:
    """The starts of those parts of a text that are as long as a secret key and look random.

    In a random text, the kind of character changes often, and capital letters and digits are next to each other. In
    words and paths, capital letters are next to small ones. Hashes and UUIDs have letters of one case.
    """
    kinds = text.translate(_KINDS)
    pairs = [kinds[at : at + 2] for at in range(len(kinds) - 1)]
    limits = [
        (
            list(accumulate([thing in wanted for thing in things], initial=0)),
            least,
            _KEY_LENGTH + len(things) - len(kinds),
        )
        for things, wanted, least in (
            (pairs, _DIFFERENT, 12),
            (pairs, _RARE_IN_WORDS, 6),
            (kinds, "A", 5),
            (kinds, "a", 5),
        )
    ]
    for at in range(len(text.rstrip("=")) - _KEY_LENGTH + 1):
        if all(counts[at + size] - counts[at] >= least for counts, least, size in limits):
            yield at


# The exceptions of a traceback


def _is_safe(error: BaseException, is_safe: Callable[[str], bool]) -> bool:
    # The parser of configuration files quotes the lines that it can't parse.
    return type(error).__module__ != "configparser" and all(
        is_safe(text) for text in [_text(error), *getattr(error, "__notes__", ())]
    )


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
