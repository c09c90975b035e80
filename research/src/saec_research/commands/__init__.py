"""The commands that this distribution adds to ``saec`` (entry point ``saec.commands``)."""

from saec.cli import Command

GROUPS = {
    "Compare (saec-research)": {
        "baseline": Command(
            "saec_research.commands.baseline", "Judge as others do, and as we do, by one command each."
        ),
        "bench": Command("saec_research.commands.bench", "Make the tables and curves behind the claims."),
    },
}
