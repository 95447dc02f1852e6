"""What must hold for every file of the repository."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from libs.devstack.stack import SERVICES

ROOT = Path(__file__).parents[2]
IMPORT_SECONDS = 60

# Put together here, so that this file does not match itself.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("deb", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("repo1", "maven", "org"),
        ("repo", "maven", "apache", "org"),
        ("proxy", "golang", "org"),
        ("index", "crates", "io"),
    )
]
HOMES = ["root", "home", "Users", "work", "private"]
FORBIDDEN = re.compile(
    "|".join(
        (
            *(re.escape(host) for host in REGISTRIES),
            # A folder of somebody's machine: absolute, so not the end of a longer path.
            rf"(?<![\w./~}}\])-])/(?:{'|'.join(HOMES)})/[\w.]",
            "--(?:extra-)?" + "index-url",
        )
    )
)


@pytest.mark.parametrize("name", SERVICES)
def test_importing_a_service_needs_no_environment(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import services.{name}.main"],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        timeout=IMPORT_SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_no_file_names_a_registry_or_a_place_on_somebodys_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        try:
            text = (ROOT / name).read_text("utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue  # a picture; or deleted, and not yet so in the index
        found += [f"{name}: {match[0]}" for match in FORBIDDEN.finditer(text)]

    assert found == []


@pytest.mark.parametrize(
    "text",
    [f"https://{REGISTRIES[0]}/simple", f"/{HOMES[0]}/x", f'"/{HOMES[1]}/me"', f"at /{HOMES[3]}/a"],
)
def test_the_search_finds_them(text: str) -> None:
    assert FORBIDDEN.search(text)


@pytest.mark.parametrize("text", [f"tests/{HOMES[3]}/a", f"./{HOMES[1]}/b", f"docs/{HOMES[0]}.md"])
def test_the_search_leaves_relative_paths_alone(text: str) -> None:
    assert not FORBIDDEN.search(text)
