"""What is asked of a network: a number for each input, and what its modules give on the way there.

Axes: B inputs, C channels, H x W pixels, K outputs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import nn

from neuralcore.errors import UserError, nearest
from neuralcore.shape import match_shape

Score = Callable[[torch.Tensor], torch.Tensor]  # (B, …) floats -> (B,)


def output_score(model: Callable[[torch.Tensor], torch.Tensor], target: int | torch.Tensor) -> Score:
    """The model's output number `target` (K of them), one for all inputs or each input's own (B,).

    Logits rather than probabilities: what speaks for a class, not what speaks against the others (Simonyan et al.
    2014, section 2).
    """

    def score(inputs: torch.Tensor) -> torch.Tensor:
        outputs = model(inputs)
        count, outs = match_shape(outputs, -1, -1, name="outputs")
        chosen = torch.as_tensor(target, device=outputs.device)
        if chosen.ndim and len(chosen) != count:
            raise UserError(f"{len(chosen)} inputs were to have outputs of their own, and {count} are asked about")
        chosen = chosen.expand(count)
        if int(chosen.min()) < 0 or int(chosen.max()) >= outs:
            raise UserError(f"output {target} is asked for, and the network has {outs}, counted from 0")
        return outputs.gather(1, chosen[:, None])[:, 0].float()

    return score


def gradient_of(score: Score, inputs: torch.Tensor) -> torch.Tensor:
    """∂ score_b / ∂ input_b for each of B inputs, of their shape.

    Have the model in evaluation mode: in training, batch norms let inputs speak to each other.
    """
    with torch.enable_grad():
        x = inputs.detach().clone().requires_grad_(True)
        scores = score(x)
        match_shape(scores, len(x), name="scores")
        (found,) = torch.autograd.grad(scores.sum(), x)
    return found


def module_named(model: nn.Module, name: str) -> nn.Module:
    """A module by the name that `named_modules` gives it.

    Raises:
        UserError: there is none.
    """
    modules = dict(model.named_modules())
    if not name or name not in modules:
        raise UserError(f"the network has no module {name!r}: {nearest(name, [n for n in modules if n])}")
    return modules[name]


@contextlib.contextmanager
def captured(modules: Mapping[str, nn.Module]) -> Iterator[dict[str, torch.Tensor]]:
    """The context in which name -> what that module gave last is kept, with its gradients.

    What a later in-place ReLU makes of it is what is seen, as it is the same tensor.
    """
    given: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            if isinstance(output, torch.Tensor):
                given.pop(name, None)  # so that the order is that of the last calls
                given[name] = output

        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in modules.items()]
    try:
        yield given
    finally:
        for handle in handles:
            handle.remove()


def features_of(
    model: nn.Module, modules: Sequence[str], inputs: torch.Tensor
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """What named modules give for inputs (B, …), and what the model does."""
    with captured({name: module_named(model, name) for name in modules}) as given:
        outputs = model(inputs)
    missing = [name for name in modules if name not in given]
    if missing:
        raise UserError(f"module {missing[0]!r} was not used, or gives no tensor: name another")
    return given, outputs


def last_maps(model: nn.Module, inputs: torch.Tensor) -> str:
    """The name of the module with the last feature maps (B, F, h, w), h w > 1: the trunk if that gives maps, else
    the last module to give some, as the last convolution of an agent's network.

    Raises:
        UserError: none does, as in a network of linear layers.
    """
    named = {name: module for name, module in model.named_modules() if name}
    with captured(named) as given, torch.no_grad():
        model(inputs)
    maps = [name for name, value in given.items() if value.ndim == 4 and value.shape[2] * value.shape[3] > 1]
    trunks = [name for name in maps if name in ("trunk", "network.trunk")]
    if not maps or (not trunks and any(n.endswith("normalised") for n in maps[-1:])):
        raise UserError("the network has no feature maps: Grad-CAM needs convolutions, choose another method")
    return trunks[0] if trunks else maps[-1]


@contextlib.contextmanager
def unvarying(model: nn.Module) -> Iterator[None]:
    """The context in which a model is in evaluation mode and its weights gather no gradients; then as it was."""
    training = {module: module.training for module in model.modules()}
    wanted = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.eval()
    for parameter in wanted:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)
        for module, was in training.items():
            module.training = was
