"""The `graphkit` command line: which command lives where. `neuralcore.command_line` carries it out."""

from __future__ import annotations

import sys

from neuralcore.command_line import Command, run

COMMANDS = {
    "words": Command("graphkit.words.command", "WordsArguments", "words", "Learn word vectors from a text file"),
    "bias": Command("graphkit.words.bias_command", "BiasArguments", "bias", "Show and remove a bias in word vectors"),
    "import": Command(
        "graphkit.graphs.import_command", "ImportArguments", "import_edges", "Make a folder of edge lists of any size"
    ),
    "embed": Command(
        "graphkit.embedding.command", "EmbedArguments", "embed", "Learn vectors of a graph's nodes from its edges"
    ),
    "evaluate": Command(
        "graphkit.embedding.command", "EvaluateArguments", "evaluate", "Measure a run's vectors on held-out edges"
    ),
    "walk": Command("graphkit.walks.command", "WalkArguments", "walk", "Learn vectors of nodes from random walks"),
    "classify": Command(
        "graphkit.walks.classify_command", "ClassifyArguments", "classify", "Tell nodes' labels from their vectors"
    ),
    "export": Command(
        "graphkit.export.command", "ExportArguments", "export", "Write vectors in another program's format"
    ),
    "search": Command("graphkit.search.command", "SearchArguments", "search", "Find the names nearest to a name"),
    "serve": Command(
        "graphkit.serve.command",
        "ServeArguments",
        "serve",
        "Serve an index over HTTP, with a page to search it",
    ),
    "map": Command(
        "graphkit.search.map_command", "MapArguments", "map_rows", "Lay an index out in the plane for its page"
    ),
    "documents": Command(
        "graphkit.search.text_command", "DocumentsArguments", "documents", "Make documents searchable by their text"
    ),
    "search-text": Command(
        "graphkit.search.text_command", "SearchTextArguments", "search_text", "Search among documents, and judge it"
    ),
}


def main(arguments: list[str] | None = None) -> int:
    """Run `graphkit <command> …` and return its exit code; `arguments` are the words after the program's name."""
    return run("graphkit", "Vectors that say what is like what: of words and of graphs.", COMMANDS, arguments)


if __name__ == "__main__":
    sys.exit(main())
