"""The commands that this distribution adds to ``saec`` (entry point ``saec.commands``)."""

from saec.cli import Command

GROUPS = {
    "Compare (with the package saec-research)": {
        "baseline": Command(
            "saec_research.commands.baseline", "Run published methods, and this one, on the same images."
        ),
        "bench": Command(
            "saec_research.commands.bench", "Make the tables and curves of the published results."
        ),
    },
}
