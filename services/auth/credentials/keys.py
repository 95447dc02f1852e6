"""Signing keys: made here, sealed for the database, opened in memory, published as a JWKS."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import jwt
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jwt.algorithms import OKPAlgorithm
from pydantic import SecretStr

from libs.common.tokens import ALGORITHM, TokenType
from services.auth.domain.keys import KeyState, SigningKey


class WrongSecret(Exception):
    """KEY_ENCRYPTION_SECRET is not the one that the stored keys were sealed with."""


class KeySeal:
    """Encrypts private keys at rest: Fernet, with a key derived from the operator's secret."""

    def __init__(self, secret: SecretStr) -> None:
        derive = HKDF(SHA256(), length=32, salt=None, info=b"live-scoreboard signing keys")
        self._fernet = Fernet(urlsafe_b64encode(derive.derive(secret.get_secret_value().encode())))

    def make(self, now: datetime) -> SigningKey:
        """A new key, published from `now` on."""
        private = Ed25519PrivateKey.generate()
        return SigningKey(
            kid=_thumbprint(_public_jwk(private.public_key())),
            sealed=self._fernet.encrypt(private.private_bytes_raw()),
            state=KeyState.NEXT,
            published_at=now,
        )

    def open(self, key: SigningKey) -> Ed25519PrivateKey:
        """The key itself. Raises `WrongSecret`."""
        try:
            return Ed25519PrivateKey.from_private_bytes(self._fernet.decrypt(key.sealed))
        except InvalidToken:
            raise WrongSecret(WrongSecret.__doc__) from None


class KeyRing:
    """The keys as this process knows them: one signs, all are published."""

    def __init__(self, seal: KeySeal, *, issuer: str) -> None:
        self._seal = seal
        self._issuer = issuer
        self._signing: tuple[str, Ed25519PrivateKey] | None = None
        self._jwks: Mapping[str, Any] = {"keys": []}

    def adopt(self, keys: Sequence[SigningKey]) -> None:
        """Use these keys from now on. Raises `WrongSecret`."""
        opened = {key: self._seal.open(key) for key in keys}
        self._jwks = {"keys": [_published(private) for private in opened.values()]}
        for key, private in opened.items():
            if key.state is KeyState.CURRENT:
                self._signing = (key.kid, private)

    def sign(self, claims: Mapping[str, Any], token_type: TokenType) -> str:
        """A token in this issuer's name, by the current key."""
        assert self._signing is not None, "adopt() comes first"
        kid, private = self._signing
        return jwt.encode(
            {"iss": self._issuer, **claims},
            private,
            algorithm=ALGORITHM,
            headers={"kid": kid, "typ": token_type},
        )

    async def published(self) -> Mapping[str, Any]:
        """The public keys as a JWK Set (RFC 7517 §5)."""
        return self._jwks


def _published(private: Ed25519PrivateKey) -> dict[str, str]:
    jwk = _public_jwk(private.public_key())
    return {**jwk, "kid": _thumbprint(jwk), "use": "sig", "alg": ALGORITHM}


def _public_jwk(public: Ed25519PublicKey) -> dict[str, str]:
    return OKPAlgorithm.to_jwk(public, as_dict=True)


def _thumbprint(jwk: Mapping[str, str]) -> str:
    """RFC 7638: the hash of the required members in their one canonical form."""
    canonical = json.dumps(jwk, sort_keys=True, separators=(",", ":"))
    return urlsafe_b64encode(sha256(canonical.encode()).digest()).rstrip(b"=").decode()
