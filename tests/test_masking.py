"""Masking: known secrets and usernames in any spelling, what looks like a key, and the time that it takes."""

from __future__ import annotations

import html
import json
import textwrap
import unicodedata
from time import process_time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cognito_signout._masking import MAX_TEXT, MIN_NAME, MIN_PART, masked, safe_to_show, text_of, without_keys

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "FwoGZXIvYXdzEJr1KLnE9x+" + "Zq3/Tb7Yc8" * 20 + "=="
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#: How a text may spell a value.
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "percent": lambda value: quote(value, safe=""),
    "percent, lower case": lambda value: quote(value, safe="").replace("%2B", "%2b").replace("%2F", "%2f"),
    "percent, twice": lambda value: quote(quote(value, safe=""), safe=""),
    "JSON": lambda value: json.dumps(value)[1:-1],
    "JSON in JSON": lambda value: json.dumps(json.dumps(value))[3:-3],
    "JSON of JavaScript": lambda value: json.dumps(value)[1:-1].replace("/", r"\/"),
    "HTML": html.escape,
    "HTML entities": lambda value: value.encode("ascii", "xmlcharrefreplace").decode(),
    "escapes with braces": lambda value: "".join(
        [character if character.isascii() else f"\\u{{{ord(character):x}}}" for character in value.replace("\\", r"\\")]
    ),
    "escapes of Python": lambda value: value.encode("unicode_escape").decode(),
    "bytes of Python": lambda value: repr(value.encode())[2:-1],
}
every_spelling = pytest.mark.parametrize("spell", SPELLINGS.values(), ids=list(SPELLINGS))
secrets = st.text(BASE64, min_size=MIN_PART, max_size=300)
texts = st.text(max_size=200)


@every_spelling
@given(secret=secrets, before=texts, after=texts)
def test_a_known_secret_is_masked_in_any_spelling(
    spell: Callable[[str], str], secret: str, before: str, after: str
) -> None:
    """A key or a token is shown."""
    spelled = spell(secret)
    shown = masked(f"{before}'{spelled}'{after}", secrets=[secret])
    assert spelled not in shown
    assert "***" in shown


@given(secret=secrets, data=st.data())
def test_a_part_of_a_secret_is_masked(secret: str, data: st.DataObject) -> None:
    """A message that was cut shows half of a token."""
    start = data.draw(st.integers(0, len(secret) - MIN_PART))
    part = secret[start : data.draw(st.integers(start + MIN_PART, len(secret)))]
    assert masked(f"<{part}>", secrets=[secret]) == "<***>"


@pytest.mark.parametrize(
    "spelled",
    [
        "\n".join(textwrap.wrap(TOKEN, 76)),
        "\r\n ".join(textwrap.wrap(TOKEN, 64)),
        TOKEN.replace("+", "-").replace("/", "_").rstrip("="),
        r"\n".join(textwrap.wrap(TOKEN, 76)),
    ],
    ids=["wrapped", "folded", "base64url", "wrapped in JSON"],
)
def test_a_token_is_masked_however_it_is_written(spelled: str) -> None:
    """A token that is wrapped, or in base64url, is shown."""
    shown = masked(f"the token:{spelled}!", secrets=[TOKEN])
    assert not any(spelled[at : at + MIN_PART] in shown for at in range(len(spelled) - MIN_PART))
    assert shown.startswith("the token:***")


@pytest.mark.parametrize(
    "text",
    [
        "a secret key without a digit: " + "AbcdefghijKlmnopqrstuvwxyzabcdefghijklmn",
        "/" + KEY,
        "arn:aws:iam::123456789012:role/Admin," + KEY,
    ],
)
def test_a_secret_is_masked_whatever_surrounds_it(text: str) -> None:
    """A key is taken for a part of a path or of an ARN."""
    secret = text[-40:]
    assert masked(text, secrets=[secret]) == text[:-40] + "***"


def test_a_short_secret_is_masked_as_a_whole() -> None:
    """The password of a proxy is shown."""
    assert masked("via http://u:hunter2@proxy", secrets=["hunter2"]) == "via http://u:***@proxy"
    assert masked(r"p%41ss\&#161;w", secrets=[r"p%41ss\¡w"]) == "***"
    assert masked("hunter3", secrets=["hunter2", ""]) == "hunter3"


NAMES = ["élodie@example.com", "Straße.Köln", "DOMAIN\\alice", "100%41pure", "a&b<c>d"]
NAMES += ["王小明先生", "Алиса-Петровна", "é王я😀@x"]


@pytest.mark.parametrize("username", NAMES)
@every_spelling
def test_a_username_is_masked_in_any_spelling(username: str, spell: Callable[[str], str]) -> None:
    """The name of a user is shown."""
    for name in (username, username.lower(), username.upper(), unicodedata.normalize("NFD", username)):
        shown = masked(f"User ({spell(name)}) is gone", username)
        assert shown == "User (***) is gone"


usernames = st.text(st.characters(categories=["L", "M", "S", "N", "P"]), min_size=MIN_NAME, max_size=128)


@every_spelling
@given(username=usernames, before=texts, after=texts)
def test_any_username_is_masked_in_any_text(
    spell: Callable[[str], str], username: str, before: str, after: str
) -> None:
    """The name of a user is shown because of what is next to it."""
    assume("*" not in username and username[-1] not in "\\%&")  # the next character would belong to it
    spelled = spell(username)
    assume(spelled not in f"{before}''{after}***")
    assert spelled not in masked(f"{before} '{spelled}' {after}", username)


@pytest.mark.parametrize("username", ["élodie@example.com", "王小明先生", "Алиса-Петровна", "naïve-日本😀"])
@pytest.mark.parametrize(("encoding", "errors"), [("latin-1", "strict"), ("ascii", "surrogateescape")])
def test_a_username_in_a_wrong_encoding_is_masked(username: str, encoding: str, errors: str) -> None:
    """The name of a user is shown, in a header for example, which is read as Latin-1."""
    wrong = username.encode().decode(encoding, errors)
    assert masked(f"User ({wrong}) is gone", username) == "User (***) is gone"


def test_bytes_of_latin_1_are_masked() -> None:
    """A name is shown as bytes that are not UTF-8."""
    assert masked(r"User (b'\xe9lodie') is gone", "élodie") == "User (b'***') is gone"
    assert masked("User (&#xe9lodie, &#233lodie) is gone", "élodie") == "User (***, ***) is gone"


@given(st.text(st.characters(min_codepoint=0x70, max_codepoint=0x110)), st.text("%\\x&#uU{}0dDcC8eEfF;nb"))
def test_no_text_is_too_strange(text: str, escapes: str) -> None:
    """A malformed escape sequence raises an untyped error, or changes a text without secrets."""
    assert masked(text + escapes, "alice@example.com", [TOKEN]) == text + escapes
    assert without_keys(escapes + text) == escapes + text


@pytest.mark.parametrize(
    "text",
    [
        "/home/service/.aws/models/endpoints/Of/Our/Own/that/is/long/enough2",
        "https://sqs.eu-central-1.amazonaws.com/123456789012/QueueOfUsersWhoLeave01",
        "arn:aws:sts::123456789012:assumed-role/AccountsStack-SignOutRoleA1B2C3D4-Qm7Zk2Xw9Lp1/Session",
        "3f0c6c0e-6b1c-4b42-9d4e-0a8f2c1f6a55",
    ],
)
def test_what_identifies_nobody_is_shown(text: str) -> None:
    """A path or a role that an operator needs is hidden."""
    assert masked(text, "alice@example.com", [KEY, TOKEN]) == text


@given(text=texts, username=st.text(min_size=1, max_size=30), secret=secrets)
def test_a_text_without_secrets_is_unchanged(text: str, username: str, secret: str) -> None:
    """A message is unreadable."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    assume(unicodedata.normalize("NFKD", username).casefold()[:1] not in folded)
    assume(not any(character in text for character in "\\%&"))
    assume(not any(secret[at : at + MIN_PART] in text for at in range(len(secret))))
    shown = masked(text, username, [secret])
    assert shown == text or unicodedata.normalize("NFKD", username.upper()).casefold()[:1] in folded or "***" in text


@pytest.mark.parametrize(
    "text", ["%" * 40_000, "\\" * 40_000, "&" * 40_000, "a" * 2**20, r"\u00e9" * 40_000, "://@" * 2**18, "A1b" * 2**19]
)
def test_a_long_text_is_cut(text: str) -> None:
    """A message of a server costs seconds, or fills the log."""
    before = process_time()
    for shown in (masked(text, "alice@example.com", [KEY, TOKEN]), without_keys(text)):
        assert len(shown.encode()) <= MAX_TEXT
        assert shown.endswith("…")
    assert process_time() - before < 1  # it takes some 10 ms


def test_a_secret_at_the_cut_is_masked() -> None:
    """The beginning of a token is shown where the text is cut."""
    text = "x" * (MAX_TEXT - 13) + TOKEN
    assert TOKEN[:4] not in masked(text, secrets=[TOKEN])


def test_a_username_at_the_cut_is_masked_in_its_longest_spelling() -> None:
    """The beginning of a username is shown where the text is cut."""
    text = "x" * (MAX_TEXT - 20) + quote(quote("😀" * 128))
    assert masked(text, "😀" * 128) == "x" * (MAX_TEXT - 20) + "***"


def test_a_password_at_the_end_of_what_is_searched_is_masked() -> None:
    """Masks shorten the text, and half of a password follows, which was not found because it is cut off."""
    for length in range(8000, 8400):
        shown = masked(TOKEN * 20 + "x" * (length - 20 * len(TOKEN)) + "hunter2", secrets=[TOKEN, "hunter2"])
        assert "hunt" not in shown


def test_a_text_with_half_a_character_can_be_written() -> None:
    """A message with a lone surrogate, as JSON can contain it, fails to be logged."""
    assert masked("a\ud800b") == r"a\ud800b"


def test_a_name_of_white_space_is_nothing_to_mask() -> None:
    """A search for nothing never ends."""
    assert masked("a b", " " * 9, [" ", "\n" * 20]) == "a b"


def test_a_text_of_many_bytes_is_cut_between_characters() -> None:
    """A log contains half a character."""
    assert masked("é" * 4000).encode().decode().endswith("é…")
    assert masked("é" * 2048) == "é" * 2048


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"bad key {KEY[:-1]}9.", "bad key ***."),
        (f"bad token {TOKEN}", "bad token ***"),
        (f"AWS_SECRET_ACCESS_KEY={KEY}!", "AWS_SECRET_ACCESS_KEY=***!"),
        (f"/{KEY}", "***"),
        (f"arn:aws:iam::123456789012:role/Admin,{KEY}", "arn:aws:iam::123456789012:role/Admin,***"),
        ('{"key":"' + KEY.replace("/", r"\/") + '"}', '{"key":"***"}'),
        (quote(KEY, safe=""), "***"),
        ("VXKqkZHxUCtKbrV+mAUyoqFGSYWkDqnEJzPRdhTz has no digit", "*** has no digit"),
        ("\n".join(textwrap.wrap("x" + TOKEN, 76)[:2]), "***\n***"),
        ("see https://h/queues/QueueOfUsersWhoLeaveOurServiceAtNight01", None),
        ("arn:aws:sts::1:assumed-role/Stack-RoleA1B2C3D4E5F6-Qm7Zk2Xw9Lp1Rt5Yb8Nc3Vd6", None),
        ("bad key AKIAIOSFODNN7EXAMPLE", "bad key ***"),
        ("proxy socks5://u:pw@h:1 failed", "proxy socks5://***@h:1 failed"),
        ("proxy http://u:p/w@h failed", "proxy http://***@h failed"),
        ("see https://docs.aws.amazon.com/cli", "see https://docs.aws.amazon.com/cli"),
        ("no such file: /usr/local/share/Company/Credential-Helper2/bin", None),
        ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", None),
    ],
)
def test_what_looks_like_a_key_is_masked_in_texts_of_sources(text: str, shown: str | None) -> None:
    """A source of credentials quotes a key or a password, or a path is hidden."""
    assert without_keys(text) == (text if shown is None else shown)


def test_an_exception_that_has_no_text_is_shown_without() -> None:
    """An exception whose ``str()`` fails raises an untyped error."""

    class BrokenError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert text_of(BrokenError()) == ""
    assert safe_to_show(BrokenError()) is not None


def test_a_cause_that_quotes_a_secret_is_not_shown() -> None:
    """A traceback shows a token."""
    cause = ValueError(f"sent {TOKEN[:20]}")
    outer = RuntimeError("failed")
    outer.__cause__ = cause
    assert safe_to_show(outer, "", [TOKEN]) is None
    assert safe_to_show(outer, "", [KEY]) is outer
    assert safe_to_show(ValueError("x" * 5000)) is None
