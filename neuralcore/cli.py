"""The `neuralcore` command line: which command lives where. `neuralcore.command_line` carries it out."""

from __future__ import annotations

import sys

from neuralcore.command_line import Command, run

COMMANDS = {
    "fit": Command("neuralcore.fitting.command", "FitArguments", "fit", "Fit a network to data"),
    "check": Command(
        "neuralcore.fitting.check_command",
        "CheckArguments",
        "check",
        "Look for what would keep a network from learning",
    ),
    "detect": Command("neuralcore.detection.detect_command", "DetectArguments", "detect", "Find objects in pictures"),
    "segment": Command(
        "neuralcore.segmentation.segment_command", "SegmentArguments", "segment", "Label the pixels of pictures"
    ),
    "explain": Command(
        "neuralcore.understanding.explain_command",
        "ExplainArguments",
        "explain",
        "Draw what a fitted classifier looks at in pictures",
    ),
    "project": Command(
        "neuralcore.understanding.project_command",
        "ProjectArguments",
        "project",
        "Draw the features of a classifier's images in a plane",
    ),
    "encode": Command(
        "neuralcore.vision.encode_command", "EncodeArguments", "encode", "Make named vectors of pictures"
    ),
    "caption": Command(
        "neuralcore.translation.caption_command", "CaptionArguments", "caption", "Say what pictures show"
    ),
    "generate": Command(
        "neuralcore.language.generate_command", "GenerateArguments", "generate", "Write on with a language model"
    ),
    "ngram": Command(
        "neuralcore.language.ngram_command", "NgramArguments", "ngram", "Count n-grams and judge a text by them"
    ),
    "shrink": Command("neuralcore.language.shrink_command", "ShrinkArguments", "shrink", "Make a model smaller"),
    "tell": Command("neuralcore.language.tell_command", "TellArguments", "tell", "Tell the kind of sentences"),
    "sample": Command(
        "neuralcore.generative.sample_command", "SampleArguments", "sample", "Make images with a fitted model"
    ),
    "translate": Command(
        "neuralcore.translation.translate_command", "TranslateArguments", "translate", "Translate sentences"
    ),
}


def main(arguments: list[str] | None = None) -> int:
    """Run `neuralcore <command> …` and return its exit code; `arguments` are the words after the program's name."""
    return run("neuralcore", "Networks for images and sequences, fitted by one loop.", COMMANDS, arguments)


if __name__ == "__main__":
    sys.exit(main())
