"""The main job on real input, in under ten minutes on two cores: `make demo`.

Every step is a command that you can type yourself; the demo prints it, runs it, and says what came of it. A demo
that was stopped, even by `kill -9`, goes on from its last checkpoints; `rm -r runs/demo` begins afresh.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

BIN = Path(sys.executable).parent
FOLDER = Path("runs/demo")


def say(text: str) -> None:
    """A heading that stands out on a terminal and stays plain in a file."""
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}{text}{plain}", flush=True)


def run(command: str) -> None:
    """Show a command, run it with our own interpreter's programs, and stop the demo if it fails."""
    print(f"\n$ {command}", flush=True)
    program, *words = shlex.split(command)
    code = subprocess.run([BIN / program, *words], env={**os.environ, "PYTHONUNBUFFERED": "1"}).returncode
    if code:
        sys.exit(f"demo: this command ended with code {code}: {command}")


def gridworld() -> str:
    """(a) Planning: the textbook's 4x3 grid, by two methods that must agree."""
    say("(a) GridWorld, solved exactly (Russell & Norvig's 4x3 grid)")
    grid = "rlkit solve GridWorld-v0 --env-args layout=russell_norvig slip=0.2 living_reward=-0.04 --discount 1"
    run(f"{grid} --method value-iteration --plot {FOLDER}/gridworld.png")
    run(f"{grid} --method policy-iteration")
    return f"GridWorld solved by value and policy iteration; picture {FOLDER}/gridworld.png"


def agents() -> str:
    """(b) Learning to act: CartPole to the end; Pong from pixels by an agent that is shipped."""
    say("(b) DQN balances a pole: watch the return rise to 500")
    run(f"rlkit train configs/rl/cartpole_dqn.toml --run {FOLDER}/cartpole")
    cartpole = json.loads((FOLDER / "cartpole" / "evaluation.json").read_text())
    say("    … and A2C plays Pong from pixels: hours of training are shipped, half a minute of it is filmed here")
    run("rlkit evaluate pretrained:pong_a2c --episodes 5")
    run(f"rlkit watch pretrained:pong_a2c --out {FOLDER}/pong.mp4")
    return (
        f"CartPole-v1: mean return {cartpole['mean_return']:.1f} of 500 over {cartpole['episodes']} greedy episodes; "
        f"run folder {FOLDER}/cartpole\n"
        f"Pong: film {FOLDER}/pong.mp4; train such an agent with: rlkit train configs/rl/pong_a2c.toml"
    )


def words() -> str:
    """(c) Learning to embed: the words of Shakespeare."""
    say("(c) Skip-gram word vectors from Shakespeare's plays")
    run(f"graphkit words configs/words/tinyshakespeare.toml --run {FOLDER}/words")
    return f"word vectors in {FOLDER}/words/vectors; ask them: graphkit search {FOLDER}/words king love"


def graph() -> str:
    """(d) Learning to embed: WordNet's relations, and asking the vectors."""
    say("(d) Embeddings of the WN18RR knowledge graph, filtered ranking metrics, and name search")
    run(f"graphkit embed configs/graph/wn18rr.toml --run {FOLDER}/wn18rr")
    run(f"graphkit search {FOLDER}/wn18rr dog.n.01 violin.n.01 france.n.01 --k 5")
    return f"graph vectors in {FOLDER}/wn18rr/vectors; ask them: graphkit search {FOLDER}/wn18rr NAME"


PARTS = {"gridworld": gridworld, "agents": agents, "words": words, "graph": graph}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all of them by default")
    chosen = parser.parse_args().parts or list(PARTS)
    for part in chosen:
        if part not in PARTS:
            parser.error(f"unknown part {part!r}: known: {', '.join(PARTS)}")
    started = time.monotonic()
    FOLDER.mkdir(parents=True, exist_ok=True)
    results = [PARTS[part]() for part in chosen]
    say("What was done, and where it lies")
    for result in results:
        print("  " + result.replace("\n", "\n  "))
    print(f"  in {(time.monotonic() - started) / 60:.1f} minutes; rm -r {FOLDER} begins afresh")


if __name__ == "__main__":
    main()
