"""What score reads from the environment."""

from pydantic import Field, SecretStr

from libs.common.settings import EnvSettings


class Settings(EnvSettings):
    """Units are in the names; every limit has a bound."""

    database_url: SecretStr
    redis_url: SecretStr
    kafka_bootstrap_servers: str
    auth_url: str
    max_increment: int = Field(default=1_000_000, ge=1, le=2**53 - 1)
    rate_limit_per_second: float = Field(default=5, gt=0, le=1_000_000)
    rate_limit_burst: int = Field(default=5, ge=1, le=1_000_000)
    lanes: int = Field(default=2, ge=1, le=32, description="commits in flight")
    max_batch: int = Field(default=500, ge=1, le=500, description="increments in one commit")
    max_waiting: int = Field(default=5000, ge=1, description="increments that wait in a lane")
