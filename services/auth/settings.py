"""What auth reads from the environment."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from libs.common.settings import EnvSettings
from services.auth.domain.claims import LONGEST_ACCESS_SECONDS
from services.auth.domain.keys import PUBLISHED_BEFORE_USE

_DAY = 86_400
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Settings(EnvSettings):
    """Units are in the names; every limit has a bound."""

    database_url: SecretStr
    redis_url: SecretStr
    key_encryption_secret: SecretStr = Field(min_length=32)
    service_clients: dict[str, Annotated[SecretStr, Field(min_length=16)]]

    registration_enabled: bool = True
    access_token_seconds: int = Field(default=900, ge=30, le=LONGEST_ACCESS_SECONDS)
    refresh_token_seconds: int = Field(default=30 * _DAY, ge=60, le=366 * _DAY)
    key_rotation_seconds: int = Field(
        default=30 * _DAY, ge=int(PUBLISHED_BEFORE_USE.total_seconds()), le=366 * _DAY
    )

    external_issuer: str = ""
    external_jwks_url: str = ""
    external_audience: str = ""
    external_roles_claim: str = "roles"
    # Public keys only: a secret shared with another issuer would let it be forged from here.
    external_algorithm: Literal[
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"
    ] = "RS256"

    @model_validator(mode="after")
    def _external_is_whole_and_safe(self) -> "Settings":
        external = (self.external_issuer, self.external_jwks_url, self.external_audience)
        if any(external) and not all(external):
            raise ValueError("EXTERNAL_ISSUER, _JWKS_URL and _AUDIENCE are set together or not")
        url = urlsplit(self.external_jwks_url)
        loopback = url.scheme == "http" and url.hostname in _LOOPBACK
        if self.external_jwks_url and url.scheme != "https" and not loopback:
            raise ValueError("EXTERNAL_JWKS_URL must be https, or http on this machine")
        return self
