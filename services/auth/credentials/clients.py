"""The secrets by which services prove who they are."""

from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest

from pydantic import SecretStr

from libs.common.errors import Unauthenticated


class ServiceClients:
    """Knows the hash of each service's secret."""

    def __init__(self, secrets: Mapping[str, SecretStr]) -> None:
        self._hashes = {name: _hash(secret.get_secret_value()) for name, secret in secrets.items()}

    def check(self, name: str, secret: str) -> None:
        """Raises `Unauthenticated`; takes as long for an unknown name."""
        known = self._hashes.get(name, bytes(32))
        if not compare_digest(known, _hash(secret)):
            raise Unauthenticated("client name or secret is wrong")


def _hash(secret: str) -> bytes:
    return sha256(secret.encode()).digest()
