"""What the gateway reads from the environment."""

from pydantic import Field, SecretStr

from libs.common.contracts.values import MAX_TOTAL
from libs.common.settings import EnvSettings


class Settings(EnvSettings):
    """Units are in the names; every limit has a bound."""

    auth_url: str
    score_url: str
    scoreboard_url: str
    notification_url: str
    service_secret: SecretStr
    fingerprint_secret: SecretStr = Field(
        min_length=32, description="keys the fingerprints of clients; a new one forgets them all"
    )
    fingerprint_ja4_header: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9-]*$",
        description="set by a trusted edge, which strips it from what clients send; empty: none",
    )
    stream_url: str = Field(
        default="", description="where browsers reach the streams; empty: on this origin"
    )
    allowed_origins: list[str] = Field(
        default_factory=list, description="exact origins whose pages may read the board"
    )
    max_increment: int = Field(default=1_000_000, ge=1, le=MAX_TOTAL)
    rate_limit_per_second: float = Field(default=5, gt=0, le=1_000_000)
    rate_limit_burst: int = Field(default=5, ge=1, le=1_000_000)
    lanes: int = Field(default=1, ge=1, le=32, description="batches in flight to score")
    max_requests: int = Field(
        default=256, ge=1, le=100_000, description="at work at once; who comes beyond gets a 503"
    )
