"""The `rlkit` command line: which command lives where. `neuralcore.command_line` carries it out."""

from __future__ import annotations

import sys

from neuralcore.command_line import Command, run

COMMANDS = {
    "solve": Command(
        "rlkit.solve_command", "SolveArguments", "solve", "Solve a tabular environment exactly by planning"
    ),
    "train": Command("rlkit.train", "TrainArguments", "train", "Train an agent; the same command goes on"),
    "collect": Command("rlkit.fitted_q_command", "CollectArguments", "collect", "Gather a data set of transitions"),
    "fitted-q": Command("rlkit.fitted_q_command", "FittedQArguments", "fitted_q", "Learn from a data set alone"),
    "evaluate": Command("rlkit.inspect_runs", "EvaluateArguments", "evaluate", "Play whole episodes and average"),
    "watch": Command("rlkit.inspect_runs", "WatchArguments", "watch", "Film an episode of a trained agent"),
    "explain": Command("rlkit.explain", "ExplainArguments", "explain", "Draw what an agent looks at in images"),
    "export": Command("rlkit.export", "ExportArguments", "export", "Write a trained agent as a folder to give away"),
    "sweep": Command("rlkit.sweep", "Sweep", "sweep", "Search an algorithm's settings; the same command goes on"),
    "doctor": Command("rlkit.doctor", "DoctorArguments", "doctor", "Check an environment before training in it"),
    "compare": Command("rlkit.compare", "CompareArguments", "compare", "Put evaluated runs side by side"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run `rlkit <command> …` and return its exit code; `arguments` are the words after the program's name."""
    about = "Agents that learn to act: exact planning, learning in tables and with deep networks."
    return run("rlkit", about, COMMANDS, arguments)


if __name__ == "__main__":
    sys.exit(main())
