"""What scoreboard reads from the environment."""

from socket import gethostname

from pydantic import Field, SecretStr

from libs.common.settings import EnvSettings


class Settings(EnvSettings):
    """Units are in the names; every limit has a bound."""

    redis_url: SecretStr
    kafka_bootstrap_servers: str
    auth_url: str
    score_url: str
    service_secret: SecretStr
    region: str = Field(default="local", pattern=r"^[a-z0-9-]{1,32}$")
    replica: str = Field(default_factory=gethostname, description="stable name in the group")
    window_ms: int = Field(default=50, ge=0, le=10_000, description="at most one frame per window")
    heartbeat_seconds: float = Field(default=5, gt=0, le=60)
    audit_seconds: float = Field(default=30, gt=0, le=3600)
