"""
What the command line reads from the environment.

A server whose URL is set here is used, not started. Services inherit the whole environment, then
get the names that the stack computes: so `RATE_LIMIT_PER_SECOND=1000 make run` reaches score, and
a computed name (a URL, a secret) cannot be overridden by accident.
"""

import os

from pydantic import Field, SecretStr

from libs.common.settings import EnvSettings


class StackSettings(EnvSettings):
    """
    `database_url` is an administrator's: login roles are made with it.

    A database that outlives the data folder needs its secrets from here, else they are made up.
    """

    database_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    kafka_bootstrap_servers: str = ""
    topic_replication: int = Field(default=1, ge=1)
    auth_db_password: SecretStr | None = None
    score_db_password: SecretStr | None = None
    key_encryption_secret: SecretStr | None = None

    @property
    def given_secrets(self) -> dict[str, str]:
        """Those that are set, by the names that `stack` has for them."""
        given = {
            "auth_database": self.auth_db_password,
            "score_database": self.score_db_password,
            "key_encryption": self.key_encryption_secret,
        }
        return {name: value.get_secret_value() for name, value in given.items() if value}


class MigrateSettings(EnvSettings):
    """For `migrate`: the administrator's URL, and the roles' passwords to set."""

    database_url: SecretStr
    auth_db_password: SecretStr
    score_db_password: SecretStr


class TopicsSettings(EnvSettings):
    """For `topics`."""

    kafka_bootstrap_servers: str
    topic_replication: int = Field(default=1, ge=1)


def inherited() -> dict[str, str]:
    """The caller's environment, for programs to inherit."""
    return dict(os.environ)  # noqa: TID251 - handed on, not read
