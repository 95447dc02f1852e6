"""One log file per program, of bounded size."""

from pathlib import Path
from typing import BinaryIO

MAX_FILE_BYTES = 5 * 1024 * 1024


class LogFiles:
    """Appends to `<folder>/<name>.log`; a full one becomes `<name>.log.1`."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_FILE_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._max_bytes = max_bytes
        self._open: dict[str, BinaryIO] = {}

    def append(self, name: str, line: str) -> None:
        data = f"{line}\n".encode()
        file = self._open.get(name) or self._reopen(name)
        if file.tell() + len(data) > self._max_bytes and file.tell():
            file.close()
            path = self._path(name)
            path.replace(path.with_name(f"{path.name}.1"))
            file = self._reopen(name)
        file.write(data)

    def close(self) -> None:
        for file in self._open.values():
            file.close()

    def _reopen(self, name: str) -> BinaryIO:
        file = self._open[name] = self._path(name).open("ab", buffering=0)
        return file

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.log"
