"""The map of the stack: who runs, and what each is told."""

from importlib import import_module
from pathlib import Path

import pytest
from pydantic import SecretStr

from libs.common.settings import EnvSettings
from libs.devstack.settings import StackSettings
from libs.devstack.stack import SECRETS, SERVICES, Stack, build, wanted_ports

EXTERNAL = StackSettings(
    database_url=SecretStr("postgresql://admin:pw@db.example:6432/scores?sslmode=require"),
    redis_url=SecretStr("redis://cache.example:6379/3"),
    kafka_bootstrap_servers="broker.example:9092",
)


def external_stack(folder: Path, *, demo: bool = False) -> Stack:
    secrets = {name: f"secret of {name}, long enough for everybody" for name in SECRETS}
    return build(folder, EXTERNAL, wanted_ports(EXTERNAL, 8000), secrets, demo=demo)


def environments(stack: Stack) -> dict[str, dict[str, str]]:
    return {program.name: dict(program.environment) for program in stack.programs}


def test_the_usual_ports_follow_the_base() -> None:
    ports = wanted_ports(StackSettings(), 8000)

    assert ports["gateway"] == 8000
    assert ports["notification"] == 8004
    assert (ports["postgres"], ports["valkey"], ports["kafka"]) == (8010, 8011, 8012)


def test_a_server_whose_url_is_given_is_not_started(tmp_path: Path) -> None:
    stack = external_stack(tmp_path)

    assert {program.name for program in stack.programs} == set(SERVICES)
    assert stack.servers.kafka == "broker.example:9092"
    assert list(tmp_path.iterdir()) == []


def test_a_service_logs_in_as_its_own_role(tmp_path: Path) -> None:
    score = environments(external_stack(tmp_path))["score"]

    assert score["DATABASE_URL"].startswith("postgresql://score_service:")
    assert score["DATABASE_URL"].endswith("@db.example:6432/scores?sslmode=require")


def test_the_callers_environment_reaches_the_services_but_computed_names_win(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATE_LIMIT_PER_SECOND", "1000")
    monkeypatch.setenv("SCORE_URL", "http://elsewhere")

    gateway = environments(external_stack(tmp_path))["gateway"]

    assert gateway["RATE_LIMIT_PER_SECOND"] == "1000"
    assert gateway["SCORE_URL"] == "http://127.0.0.1:8002"


def test_secrets_may_be_given_for_a_database_that_outlives_the_data_folder() -> None:
    settings = StackSettings(key_encryption_secret=SecretStr("the one that it was sealed with"))

    assert settings.given_secrets == {"key_encryption": "the one that it was sealed with"}


def test_demo_players_come_last_and_only_if_wanted(tmp_path: Path) -> None:
    assert external_stack(tmp_path, demo=True).programs[-1].name == "demo"
    assert "demo" not in environments(external_stack(tmp_path, demo=False))


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_told_all_that_it_needs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: type[EnvSettings] = import_module(f"services.{name}.settings").Settings

    for variable, value in environments(external_stack(tmp_path))[name].items():
        monkeypatch.setenv(variable, value)

    settings()  # raises, and names the variable, if one is missing
