"""
Where an Apache Kafka 4 is: `KAFKA_HOME`, else jars that Maven fetched once.

Fetched jars are kept in the user's cache (`XDG_CACHE_HOME`), one folder per release; the release
stands in `pom.xml`, and where Maven gets them from is Maven's own configuration.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

LEAST_JAVA = 17
VERSION_SECONDS = 20
FETCH_SECONDS = 600
COMMAND = "python -m tests.kafka"

_POM = Path(__file__).with_name("pom.xml")
_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=WARN")


class NoKafka(Exception):
    """There is none here; the message says what is missing."""


@dataclass(frozen=True)
class Installation:
    """Java, and the folder of Kafka's jars."""

    java: str
    jars: Path

    def command(self, program: str, *arguments: str, heap_mb: int) -> list[str]:
        """The words that run one of Kafka's programs, `program` being its class."""
        memory = (f"-Xms{heap_mb}m", f"-Xmx{heap_mb}m")
        return [self.java, *memory, *_JVM, "-cp", f"{self.jars}/*", program, *arguments]


def find() -> Installation:
    """What is here already; never asks the network. Raises `NoKafka`."""
    java = _java()
    home = os.environ.get("KAFKA_HOME")  # noqa: TID251 - tests have no settings
    jars = Path(home) / "libs" if home else _cache()
    if not any(jars.glob("kafka_2.13-4.*.jar")):
        raise NoKafka(
            f"no Kafka 4 in KAFKA_HOME={home}" if home else f"not fetched yet: run `{COMMAND}` once"
        )
    return Installation(java, jars)


def fetch() -> None:
    """Have Maven fetch the jars, once for a release. Raises `NoKafka`."""
    cache = _cache()
    maven = shutil.which("mvn")
    if cache.exists():
        return
    _java()
    if maven is None:
        raise NoKafka("no Maven (mvn) to fetch Kafka with; set KAFKA_HOME instead")
    unfinished = cache.with_name(f"{cache.name}.{os.getpid()}")
    wanted = ("dependency:copy-dependencies", f"-DoutputDirectory={unfinished}")
    try:
        done = subprocess.run(
            [maven, "--batch-mode", "--quiet", "--file", _POM, *wanted],
            timeout=FETCH_SECONDS,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise NoKafka(f"Maven could not fetch Kafka:\n{done.stdout}")
        unfinished.rename(cache)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def release() -> str:
    """The release that is fetched, as `pom.xml` names it."""
    version = ElementTree.parse(_POM).findtext("{*}version")  # noqa: S314 - our own file
    assert version is not None
    return version


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"  # noqa: TID251
    return Path(base) / "live-scoreboard" / f"kafka-{release()}"


def _java() -> str:
    """The Java of `JAVA_HOME` or the path, if it is new enough. Raises `NoKafka`."""
    home = os.environ.get("JAVA_HOME")  # noqa: TID251 - tests have no settings
    java = shutil.which("java", path=f"{home}/bin" if home else None)
    if java is None:
        raise NoKafka("no Java")
    asked = subprocess.run(
        [java, "-version"], capture_output=True, text=True, timeout=VERSION_SECONDS, check=False
    )
    found = re.search(r'version "(\d+)', asked.stderr)
    if found is None or int(found[1]) < LEAST_JAVA:
        raise NoKafka(f"Kafka 4 needs Java {LEAST_JAVA}: {asked.stderr.partition(chr(10))[0]}")
    return java
