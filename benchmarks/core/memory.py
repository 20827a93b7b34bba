"""The memory network's accuracy on stories that it has not seen, and what each of its parts is worth there.

    python benchmarks/core/memory.py --seeds 0 1 2

The presets over seeds, and the two-hop one with one thing changed, by the first seed. No file is read. Presets that
are named are done alone; the page has all rows there are.
"""

from __future__ import annotations

import argparse
import dataclasses

import numpy as np
import runs as of_runs

PRESETS = "memory_one_hop", "memory_two_hop"
CHANGES: dict[str, dict] = {
    "one hop": {"hops": 1},
    "two hops": {"hops": 2},
    "layerwise tying": {"tying": "layerwise"},
    "bags of words": {"position": False},
    "no linear start": {"linear_epochs": 0.0},
}


def row(preset: str, change: str, seed: int) -> dict[str, str]:
    """Test accuracy of a preset."""
    import torch

    from neuralcore.config import find_config, from_mapping, read_toml
    from neuralcore.fitting.loop import Fit, evaluate
    from neuralcore.memory.memory_config import MemoryConfig

    path = find_config(f"configs/sequence/{preset}.toml")
    values = read_toml(path)
    values.pop("task")
    config = dataclasses.replace(from_mapping(MemoryConfig, values, path), **CHANGES.get(change, {}))
    task = config.build(seed)
    done = Fit(task, config.fit, seed=seed).run()
    found = evaluate(task, "test", torch.device("cpu"), config.fit)
    weights = f"{sum(p.numel() for p in task.model.parameters()):,}"
    common = {"preset": preset, "changed": change, "seed": str(seed), "weights": weights}
    return {**common, "accuracy": of_runs.interval(found), "cpu": f"{done.cpu:.0f}"}


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("presets", nargs="*", default=list(PRESETS))
    arguments = parser.parse_args()
    seeds, presets = arguments.seeds, arguments.presets
    torch.set_num_threads(1)
    cases = [(preset, "", seed) for preset in presets for seed in seeds]
    cases += [(PRESETS[1], change, seeds[0]) for change in CHANGES if PRESETS[1] in presets]
    rows: list[dict[str, str]] = []
    for case in cases:
        rows = of_runs.kept("memory", [row(*case)], ("preset", "changed", "seed"))
        print(case, flush=True)
    columns = dict(
        zip(
            ("preset", "changed", "seed", "weights", "accuracy", "cpu"),
            ("preset", "changed", "seed", "weights", "test accuracy, 95 % of stories", "CPU s"),
        )
    )
    share = most_recent()
    text = (
        "2,000 stories that were not learned from, the same for every seed; a seed is of first weights and order.\n"
    )
    text += f"Who always names the last walk's place is right in {share:.3f} of the two-hop stories.\n\n"
    command = f"python benchmarks/core/memory.py --seeds {' '.join(map(str, seeds))}"
    of_runs.page("memory", "Questions about stories", text + of_runs.table(rows, columns), command)


def most_recent() -> float:
    """How often the place that was named last is the answer."""
    from neuralcore.data.stories import NUMBER, PLACES
    from neuralcore.memory.memory_config import MemoryConfig
    from neuralcore.memory.memory_task import MemoryTask

    held = MemoryTask(MemoryConfig(stories=1), 0).splits["test"]
    words = held.sentences.reshape(len(held), -1)
    is_place = np.isin(words, [NUMBER[place] for place in PLACES])
    last = words.shape[1] - 1 - is_place[:, ::-1].argmax(1)
    return float((words[np.arange(len(held)), last] == held.answers).mean())


if __name__ == "__main__":
    main()
