"""The keys that sign the fake's tokens, and RS256 in pure Python.

The keys are public: anyone can forge these tokens. A service must never trust them outside tests.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXPONENT = 65537
#: The DER prefix of a SHA-256 digest: https://www.rfc-editor.org/rfc/rfc8017#section-9.2
_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")
_ACCESS_P = int(
    "DAFBBE03E95569CD02E80EBA2070483D2AEA1D9AAC35D8FA29C3826FDF4AB695BF150BAA5B1D00D309D994E02D0D4D0EB02C"
    "02B7E0EEB246C71AB638A676545572C5E51F47C934E8CCC7A1B41F4CA42206E97CBB35328B5FA4E06387C9D39D650E2CDEB1"
    "CFF77A6BE89FC1F7794C03D27ED91AA3FA7C91B04D6A7EB978E3371D",
    16,
)
_ACCESS_Q = int(
    "CC2C3E954AF870BF276F18AD1F52F01C1A69E4C821F67DCF62DB25B0C2AF3F9FA84A6C07CE419D67AD59F7AF29EA8234260F"
    "FE85910C03E6B32C92C9409BB8B1A3E679EF661B35FDFADC187D7904755DD3D5EEDE39314A237A3DBB8C02DD1155C0964D4F"
    "619568371457BF0E366BECB55234C8434E45395F75EFEC75FB375B73",
    16,
)
_ID_P = int(
    "D6D4A0C442D96CB4939836D674BEEED1DF7E6B0A22B5E5FFAB5BCDA2C26D14111FC1E5A0D2D318A1719976A49BE8447F5BFB"
    "49A2F17DD21AED35F3AFE0BA8DCB284B249DF0C005A223E470D144609EF9FF4FF54964F125BBAF42551695B4CF7CDC1CEAFD"
    "07B75266010660002772B1C9446B16A14D0A4501215008510225D6BF",
    16,
)
_ID_Q = int(
    "B987761C93ECF3E3FA2EF52D00B5DDF28C4E8FDA1599FF9A2730AAF79E1EBC8055017ED3C875E31083AF7936393DFF320478"
    "082FBF8A2FAB05A1162CC7116C4E6F052F416DFA891D853C75CB8FB1718CED2ED447B6DB46CEB914E0C26A1F9F7A48CCFE2A"
    "3F0900EF972FBBA8CFF5A0DF15FE208349860BCEB452B5B423D39059",
    16,
)


class Key(NamedTuple):
    """An RSA key of 2,048 bits.

    Attributes:
        id: The ``kid``.
        p: One prime factor of the modulus.
        q: The other one.
    """

    id: str
    p: int
    q: int

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A JWT with these claims, signed with RS256."""
        header = {"kid": self.id, "alg": "RS256"}
        signed = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
        digest = _PREFIX + hashlib.sha256(signed.encode()).digest()
        padded = b"\x00\x01" + b"\xff" * (256 - len(digest) - 3) + b"\x00" + digest
        return f"{signed}.{_base64(self._power(int.from_bytes(padded, 'big')).to_bytes(256, 'big'))}"

    def jwk(self) -> dict[str, str]:
        """The public key, as in Cognito's ``jwks.json``."""
        modulus, exponent = (self.p * self.q).to_bytes(256, "big"), _EXPONENT.to_bytes(3, "big")
        return {
            "alg": "RS256",
            "e": _base64(exponent),
            "kid": self.id,
            "kty": "RSA",
            "n": _base64(modulus),
            "use": "sig",
        }

    def _power(self, message: int) -> int:
        """``message`` to the power of the private exponent, by the Chinese remainder theorem."""
        p, q = self.p, self.q
        for_p, for_q, inverse = _exponents(p, q)
        by_p, by_q = pow(message, for_p, p), pow(message, for_q, q)
        return by_q + q * ((by_p - by_q) * inverse % p)


@lru_cache(maxsize=2)
def _exponents(p: int, q: int) -> tuple[int, int, int]:
    """The private exponents for both primes, and the inverse of one by the other."""
    return pow(_EXPONENT, -1, p - 1), pow(_EXPONENT, -1, q - 1), pow(q, -1, p)


ACCESS_KEY = Key("cognito-signout-fake-access", _ACCESS_P, _ACCESS_Q)
ID_KEY = Key("cognito-signout-fake-id", _ID_P, _ID_Q)


def jwks() -> dict[str, list[dict[str, str]]]:
    """The public keys, as at ``/{pool id}/.well-known/jwks.json``."""
    return {"keys": [ID_KEY.jwk(), ACCESS_KEY.jwk()]}


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
