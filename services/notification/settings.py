"""What notification reads from the environment."""

from pydantic import Field, SecretStr

from libs.common.settings import EnvSettings


class Settings(EnvSettings):
    """Units are in the names; every limit has a bound."""

    redis_url: SecretStr
    kafka_bootstrap_servers: str
    auth_url: str
    scoreboard_url: str
    service_secret: SecretStr
    region: str = Field(default="local", pattern=r"^[a-z0-9-]{1,32}$")
    allowed_origins: list[str] = Field(
        default_factory=list, description="exact origins whose pages may open streams"
    )
    max_connections_per_user: int = Field(default=5, ge=1, le=1000)
    max_connections_per_address: int = Field(default=200, ge=1, le=1_000_000)
    session_ttl_seconds: float = Field(
        default=90, ge=1, le=3600, description="how long a killed process's sessions still count"
    )
    stall_seconds: float = Field(
        default=30, ge=1, le=3600, description="how long a client may take nothing"
    )
