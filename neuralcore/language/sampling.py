"""Let a language model write: token by token, each drawn from what it thinks likely. Axes as in `model`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from neuralcore.language.choice import Choice
from neuralcore.language.model import LanguageModel


def choose(logs: torch.Tensor, choice: Choice, generator: torch.Generator) -> torch.Tensor:
    """(B,) int64: a token for each row of ln p (B, V)."""
    if choice.temperature == 0.0:
        return logs.argmax(1)
    return torch.multinomial(odds(logs, choice), 1, generator=generator).squeeze(1)


def odds(logs: torch.Tensor, choice: Choice) -> torch.Tensor:
    """(B, V) the probabilities that are drawn from, of ln p (B, V); temperature, then top_k, then top_p."""
    logs = logs / choice.temperature
    if choice.top_k and choice.top_k < logs.shape[1]:
        least = logs.topk(choice.top_k, 1).values[:, -1:]
        logs = logs.masked_fill(logs < least, -torch.inf)
    p = logs.softmax(1)
    if choice.top_p < 1.0:
        ranked, order = p.sort(dim=1, descending=True, stable=True)
        before = ranked.cumsum(1) - ranked  # what is likelier; a token stays while that does not suffice
        p = p * torch.zeros_like(p).scatter(1, order, (before < choice.top_p).to(p.dtype))
        p = p / p.sum(1, keepdim=True)
    return p


def continued(
    model: LanguageModel,
    prompt: Sequence[int],
    count: int,
    choice: Choice,
    *,
    seed: int = 0,
    banned: Sequence[int] = (),
) -> list[int]:
    """`count` tokens that follow the prompt (one at least)."""
    return list(written(model, prompt, count, choice, seed=seed, banned=banned))


@torch.no_grad()
def written(
    model: LanguageModel,
    prompt: Sequence[int],
    count: int,
    choice: Choice,
    *,
    seed: int = 0,
    banned: Sequence[int] = (),
    cached: bool = True,
) -> Iterator[int]:
    """Tokens that follow the prompt, as they come.

    Where a Transformer's context is full, it reads its last half again and goes on from there.

    Args:
        banned: tokens that are never chosen. seed: of the draws.
        cached: False reads the whole context again for each token: the same tokens, slowly.
    """
    if not prompt:
        raise ValueError("a text needs a first token")
    device, context = model.embedding.weight.device, model.reader.context
    generator = torch.Generator().manual_seed(seed)
    text, state, fresh = list(prompt), model.begin(1), list(prompt)
    if context is not None and len(fresh) > context:
        fresh = fresh[-context:]
    held = len(fresh)  # tokens that the state stands for, with the fresh ones
    for _ in range(count):
        if cached:
            thoughts, state = model(torch.tensor([fresh], device=device), state)
        else:
            thoughts, _ = model(torch.tensor([text[-held:]], device=device))
        logs = model.log_probabilities(thoughts[:, -1]).cpu()
        logs[:, list(banned)] = -torch.inf
        token = int(choose(logs, choice, generator))
        yield token
        text.append(token)
        fresh, held = [token], held + 1
        if context is not None and held > context:
            fresh, state = text[-(context // 2 or 1) :], model.begin(1)
            held = len(fresh)
