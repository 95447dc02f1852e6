"""What is said when everything runs: where to look, and what to try first."""

from rich.console import Group
from rich.panel import Panel
from rich.text import Text

from libs.devstack.stack import Stack


def banner(stack: Stack, *, token: str, stream: str, not_ready: list[str]) -> Group:
    """The page, the docs, commands to copy, and how to stop; commands are not wrapped."""
    page = stack.page
    lines = Text.assemble(
        ("The board   ", "dim"),
        (page, "bold underline"),
        ("\nAPI docs    ", "dim"),
        f"{page}docs",
        ("\nStop        ", "dim"),
        "Ctrl-C",
    )
    if not_ready:
        lines.append(f"\nNot ready   {', '.join(not_ready)}: see the log above", "bold yellow")
    score = (
        f"curl -X POST {page}api/scores -H 'Authorization: Bearer {token}' "
        "-H 'Content-Type: application/json' -d '{\"score_increment\": 10}'"
    )
    return Group(
        Panel(lines, title="Live Scoreboard", expand=False, border_style="green"),
        Text("Add to alice's score:", "dim"),
        Text(score if token else "live-scoreboard token --user alice"),
        Text("Watch the board:", "dim"),
        Text(f"curl -N {stream}/api/stream/sse"),
    )
