"""The operator's page: its files are there, may be served, and hold nothing from elsewhere."""

import hashlib
import json
import re
from pathlib import Path

from services.gateway.routes.pages import MEDIA_TYPES, WEB

OPS = WEB / "ops"
UPLOT = WEB / "vendor" / "uplot"
MAX_LINES = 300
IMPORT = re.compile(r"from '(\.[^']+)'")
LINK = re.compile(r'(?:src|href)="([^"#]+)"')


def test_the_charts_are_the_published_ones() -> None:
    manifest = json.loads((UPLOT / "MANIFEST.json").read_text())

    assert {path.name for path in UPLOT.iterdir()} == {*manifest["sha256"], "MANIFEST.json"}
    for name, expected in manifest["sha256"].items():
        assert hashlib.sha256((UPLOT / name).read_bytes()).hexdigest() == expected


def test_the_page_names_only_files_of_ours_and_holds_no_script() -> None:
    page = (OPS / "index.html").read_text()

    for link in LINK.findall(page):
        assert link == "/" or (WEB / link.removeprefix("/web/")).is_file(), link
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", page) == []


def test_every_module_is_small_and_finds_what_it_imports() -> None:
    for module in OPS.rglob("*.js"):
        source = module.read_text()
        assert source.count("\n") <= MAX_LINES, module.name
        for target in IMPORT.findall(source):
            assert (module.parent / target).is_file(), (module.name, target)


def test_every_file_may_be_served() -> None:
    suffixes = {path.suffix for path in OPS.rglob("*") if path.is_file()}

    assert suffixes <= set(MEDIA_TYPES)


def test_nothing_is_made_from_markup() -> None:
    scripts: list[Path] = [*OPS.rglob("*.js")]

    assert [
        s for s in scripts if re.search(r"innerHTML|outerHTML|insertAdjacent", s.read_text())
    ] == []
