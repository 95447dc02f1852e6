"""
Forged and confused tokens, at every door that takes one: none may be let in.

A forgery starts from a token that would be good at this door, and has one to three things wrong.
What is signed by auth's own key is wrong in another way; a thief's key signs the rest.
"""

import base64
import hmac
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from libs.common.clock import system_clock
from libs.common.identity import ISSUER
from libs.common.tokens import LEEWAY_SECONDS, MAX_TOKEN_CHARACTERS, Audience, TokenType

LIFE_SECONDS = 3600
MAX_FAULTS = 3
GONE = object()

THIEF = Ed25519PrivateKey.generate()

AUDIENCES: dict[TokenType, Any] = {
    TokenType.ACCESS: Audience.PUBLIC,
    TokenType.CONTEXT: [Audience.SCORE, Audience.NOTIFICATION],
    TokenType.SERVICE: Audience.INTERNAL,
    TokenType.GRANT: Audience.SCORE,
}


@dataclass
class Draft:
    """A token that is being made; `seal` signs the text of its first two parts."""

    header: dict[str, Any]
    claims: dict[str, Any]
    seal: Callable[[bytes], bytes]
    shape: Callable[[str], str] = str
    faults: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The token."""
        signed = ".".join(_base64(_json(part)) for part in (self.header, self.claims))
        return self.shape(f"{signed}.{_base64(self.seal(signed.encode()))}")


@dataclass(frozen=True)
class Mint:
    """Auth's own key, and forgeries made with and without it."""

    key: Ed25519PrivateKey
    kid: str

    def good(self, kind: TokenType, subject: str) -> Draft:
        """What auth would sign."""
        now = int(system_clock.now().timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCES[kind],
            "sub": subject,
            "iat": now,
            "exp": now + LIFE_SECONDS,
            "jti": f"fuzz-{random.getrandbits(64):x}",
            "roles": ["admin"],
            "permissions": ["fraud:read", "users:read"],
            "max_increment": 10,
            "min_elapsed_seconds": 0,
        }
        return Draft({"alg": "EdDSA", "typ": kind, "kid": self.kid}, claims, self.key.sign)

    def forged(self, kind: TokenType, subject: str, rng: random.Random) -> Draft:
        """The same, with something wrong."""
        draft = self.good(kind, subject)
        for spoil in rng.sample(_SPOILS, rng.randint(1, MAX_FAULTS)):
            draft.faults.append(spoil.__name__.removeprefix("_"))
            spoil(self, draft, kind, rng)
        return draft

    @property
    def public(self) -> dict[str, Any]:
        """The key as auth publishes it."""
        return OKPAlgorithm.to_jwk(self.key.public_key(), as_dict=True) | {"kid": self.kid}


def _no_algorithm(_mint: Mint, draft: Draft, _kind: TokenType, rng: random.Random) -> None:
    wrong: tuple[Any, ...] = (
        "none",
        "None",
        "nOnE",
        "",
        None,
        0,
        ["EdDSA"],
        GONE,
        "ES256",
        "RS256",
        "eddsa",
    )
    _put(draft.header, "alg", rng.choice(wrong))


def _public_key_as_secret(mint: Mint, draft: Draft, _kind: TokenType, rng: random.Random) -> None:
    raw = mint.key.public_key().public_bytes_raw()
    secret = rng.choice((raw, _json(mint.public), _json({"keys": [mint.public]}), b""))
    name, size = rng.choice((("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")))
    draft.header["alg"] = name
    draft.seal = lambda text: hmac.digest(secret, text, size)


def _thief(_mint: Mint, draft: Draft, _kind: TokenType, rng: random.Random) -> None:
    """Another key, and where to find it."""
    draft.seal = THIEF.sign
    own = OKPAlgorithm.to_jwk(THIEF.public_key(), as_dict=True) | {"kid": "thief"}
    where = "http://127.0.0.1:9/keys"
    hints: tuple[dict[str, Any], ...] = (
        {},
        {"jwk": own},
        {"jku": where},
        {"x5u": where},
        {"x5c": ["MIIB"]},
        {"kid": "thief"},
    )
    for hint in rng.sample(hints, rng.randint(1, 3)):
        draft.header |= hint


def _key_id(mint: Mint, draft: Draft, _kind: TokenType, rng: random.Random) -> None:
    wrong: tuple[Any, ...] = (
        "",
        "../../dev/null",
        "' OR 1=1 --",
        "k" * 5000,
        "кид",
        None,
        7,
        ["a"],
        {},
        GONE,
    )
    like_ours = (mint.kid + "\n", mint.kid + "\0", "x" + mint.kid)
    _put(draft.header, "kid", rng.choice((*wrong, *like_ours)))


def _type(_mint: Mint, draft: Draft, kind: TokenType, rng: random.Random) -> None:
    others = [other for other in TokenType if other is not kind]
    _put(draft.header, "typ", rng.choice((*others, "JWT", "", None, 1, kind.upper(), GONE)))


def _critical(_mint: Mint, draft: Draft, _kind: TokenType, rng: random.Random) -> None:
    wrong: tuple[dict[str, Any], ...] = (
        {"crit": ["exp"]},
        {"crit": []},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
    )
    draft.header |= rng.choice((*wrong, {"crit": "exp"}, {"zip": "DEF", "crit": ["zip"]}))


def _audience(_mint: Mint, draft: Draft, kind: TokenType, rng: random.Random) -> None:
    own = AUDIENCES[kind]
    others = [a for a in Audience if a != own and a not in own]
    _put(draft.claims, "aud", rng.choice((*others, others, "", "*", None, {}, 1, [], GONE)))


def _issuer(_mint: Mint, draft: Draft, _kind: TokenType, rng: random.Random) -> None:
    wrong: tuple[Any, ...] = (
        ISSUER + "/",
        ISSUER[:-1],
        ISSUER.upper(),
        [ISSUER],
        "",
        None,
        {},
        GONE,
    )
    _put(draft.claims, "iss", rng.choice(wrong))


def _time(_mint: Mint, draft: Draft, _kind: TokenType, rng: random.Random) -> None:
    now, slack = int(system_clock.now().timestamp()), LEEWAY_SECONDS + 5
    name, wrong = rng.choice(
        (
            ("exp", (now - slack, 0, -1, 1, float("inf"), float("nan"), "never", None, {}, GONE)),
            ("nbf", (now + 60, now + 1e9, "later", {}, float("inf"))),
            ("iat", (now + 60, 1e300, "then", None, {}, GONE)),
        )
    )
    _put(draft.claims, name, rng.choice(wrong))


def _subject(_mint: Mint, draft: Draft, _kind: TokenType, rng: random.Random) -> None:
    _put(draft.claims, "sub", rng.choice((1, None, {}, ["a"], True, GONE)))


def _name(_mint: Mint, draft: Draft, _kind: TokenType, rng: random.Random) -> None:
    _put(draft.claims, "jti", rng.choice((1, None, {}, [], GONE)))


def _flipped(_mint: Mint, draft: Draft, _kind: TokenType, rng: random.Random) -> None:
    sign, at = draft.seal, rng.randrange(64 * 8)

    def seal(text: bytes) -> bytes:
        signature = bytearray(sign(text).ljust(64, b"\0"))
        signature[at // 8] ^= 1 << at % 8
        return bytes(signature)

    draft.seal = seal


def _cut(_mint: Mint, draft: Draft, _kind: TokenType, rng: random.Random) -> None:
    sign, size = draft.seal, rng.randrange(64)
    draft.seal = lambda text: sign(text)[:size]


def _said_twice(_mint: Mint, draft: Draft, _kind: TokenType, rng: random.Random) -> None:
    """A name twice, put in after it was signed: parsers differ on which one counts."""
    part = rng.randrange(2)
    more = rng.choice((b'"sub":"root",', b'"aud":"x",', b'"alg":"none",', b'"exp":9e9,'))
    draft.shape = lambda text: _with_part(text, part, lambda raw: raw[:1] + more + raw[1:])


def _changed(_mint: Mint, draft: Draft, _kind: TokenType, rng: random.Random) -> None:
    """A letter of what was signed."""
    part, at = rng.randrange(2), rng.random()

    def change(raw: bytes) -> bytes:
        n = int(at * len(raw))
        return raw[:n] + bytes((raw[n] ^ 1,)) + raw[n + 1 :]

    draft.shape = lambda text: _with_part(text, part, change)


def _misshapen(_mint: Mint, draft: Draft, _kind: TokenType, rng: random.Random) -> None:
    wrong: tuple[Callable[[str], str], ...] = (
        lambda text: text + ".e30",
        lambda text: text.rpartition(".")[0],
        lambda text: text.rpartition(".")[0] + ".",
        lambda text: "." + text,
        lambda text: text.replace(".", "..", 1),
        lambda text: text + "A" * MAX_TOKEN_CHARACTERS,
        lambda text: "e30." + text.split(".")[1] + "." + text.split(".")[-1],
        lambda _: _base64(b"[" * 4000) + ".e30.AA",
        lambda _: _base64(b'{"a":' * 1000) + ".e30.AA",
        lambda _: "..",
        lambda _: "null.null.null",
    )
    draft.shape = rng.choice(wrong)


_SPOILS = (
    *(_no_algorithm, _public_key_as_secret, _thief, _key_id, _type, _critical, _audience, _issuer),
    *(_time, _subject, _name, _flipped, _cut, _said_twice, _changed, _misshapen),
)


def _put(fields: dict[str, Any], name: str, value: Any) -> None:
    if value is GONE:
        fields.pop(name, None)
    else:
        fields[name] = value


def _with_part(text: str, part: int, change: Callable[[bytes], bytes]) -> str:
    parts = text.split(".")
    padded = parts[part] + "=" * (-len(parts[part]) % 4)
    parts[part] = _base64(change(base64.urlsafe_b64decode(padded)))
    return ".".join(parts)


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode()


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
