"""Recurrent layers against the formulas, written out step by step."""

import pytest
import torch

from neuralcore.errors import UserError
from neuralcore.seeding import seeded_torch
from neuralcore.sequence.recurrent import GATES, Recurrent, detached, make_recurrent, parameter_count

B, T, F, W = 3, 7, 4, 5


def made(name: str, *arguments, **settings) -> Recurrent:
    with seeded_torch(0, "weights"):
        return make_recurrent(name, *arguments, **settings).double()


def inputs(features: int = F) -> torch.Tensor:
    return torch.randn(B, T, features, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def step(name: str, weights: dict[str, torch.Tensor], x: torch.Tensor, h: torch.Tensor, c: torch.Tensor):
    """One step of one layer, as the module's docstring has it."""
    of_x = x @ weights["weight_ih"].T + weights["bias_ih"]
    of_h = h @ weights["weight_hh"].T + weights["bias_hh"]
    if name == "rnn":
        return torch.tanh(of_x + of_h), c
    if name == "irnn":
        return (of_x + of_h).clamp(min=0), c
    if name == "gru":
        (rx, zx, nx), (rh, zh, nh) = of_x.chunk(3, 1), of_h.chunk(3, 1)
        r, z = torch.sigmoid(rx + rh), torch.sigmoid(zx + zh)
        return (1 - z) * torch.tanh(nx + r * nh) + z * h, c
    i, f, g, o = (of_x + of_h).chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def written_out(core: Recurrent, x: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    """Outputs (B, T, D · W), sequence by sequence, without padding."""
    result = torch.zeros(len(x), x.shape[1], core.outputs, dtype=x.dtype)
    for row, length in enumerate(lengths):
        layer_in = x[row, :length]
        for layer in range(core.layers):
            found = []
            for direction in range(core.directions):
                end = f"_l{layer}" + "_reverse" * direction
                weights = {k[: -len(end)]: v for k, v in core.unrolled.named_parameters() if k.endswith(end)}
                h = c = torch.zeros(1, core.width, dtype=x.dtype)
                steps = []
                for t in reversed(range(length)) if direction else range(length):
                    h, c = step(core.name, weights, layer_in[t : t + 1], h, c)
                    steps.append(h)
                found.append(torch.cat(steps[::-1] if direction else steps))
            layer_in = torch.cat(found, 1)
        result[row, :length] = layer_in
    return result


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (2, False), (2, True)])
def test_equals_the_formulas_with_and_without_padding(name, layers, bidirectional):
    core, x = made(name, F, W, layers, bidirectional=bidirectional), inputs()
    torch.testing.assert_close(core(x)[0], written_out(core, x, [T] * B))
    lengths = [3, 7, 1]
    outputs, state = core(x, lengths=torch.tensor(lengths))
    torch.testing.assert_close(outputs, written_out(core, x, lengths))
    last = state[0][-1 - bidirectional]  # of the last layer, forwards
    torch.testing.assert_close(last, outputs[range(B), [n - 1 for n in lengths], :W])
    if bidirectional:
        torch.testing.assert_close(state[0][-1], outputs[:, 0, W:])


@pytest.mark.parametrize("name", GATES)
def test_a_carried_state_goes_on(name):
    core, x = made(name, F, W, 2), inputs()
    whole, after = core(x)
    first, state = core(x[:, :4])
    second, end = core(x[:, 4:], detached(state))
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    for part, same in zip(end, after, strict=True):
        torch.testing.assert_close(part, same)
    zero, _ = core(x, core.zeros(B))
    torch.testing.assert_close(zero, whole)


def test_gradients_end_where_the_state_is_detached():
    core, x = made("lstm", F, W), inputs().requires_grad_()
    _, state = core(x[:, :4])
    core(x[:, 4:], detached(state))[0].sum().backward()
    assert not x.grad[:, :4].any()
    assert x.grad[:, 4:].any(2).all()
    x.grad = None
    core(x[:, 4:], core(x[:, :4])[1])[0].sum().backward()
    assert x.grad[:, :4].any(2).all()


def test_padding_gets_no_gradient():
    core, x = made("gru", F, W, 2, bidirectional=True), inputs().requires_grad_()
    core(x, lengths=torch.tensor([3, 7, 1]))[0].square().sum().backward()
    real = x.grad.any(2)
    assert real.tolist() == [[t < n for t in range(T)] for n in (3, 7, 1)]


def test_first_weights():
    irnn = made("irnn", F, W, 2)
    assert torch.equal(irnn.unrolled.weight_hh_l1, torch.eye(W, dtype=torch.float64))
    assert 0 < irnn.unrolled.weight_ih_l0.abs().max() < 0.01
    assert not irnn.unrolled.bias_ih_l0.any()
    lstm = made("lstm", F, W, 1, bidirectional=True).unrolled
    for end in ("l0", "l0_reverse"):
        both = getattr(lstm, f"bias_ih_{end}") + getattr(lstm, f"bias_hh_{end}")
        assert (both[W : 2 * W] == 1).all()
        assert not (both[:W] == 1).any()


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (3, False), (2, True)])
def test_parameter_count(name, layers, bidirectional):
    core = Recurrent(name, F, W, layers, bidirectional=bidirectional)
    assert sum(p.numel() for p in core.parameters()) == parameter_count(name, F, W, layers, bidirectional)


def test_dropout_lies_between_layers():
    core, x = made("gru", F, W, 2, dropout=0.5), inputs()
    with seeded_torch(0, "step"):
        first = core(x)[0]
    with seeded_torch(0, "step"):
        assert torch.equal(core(x)[0], first)
    with seeded_torch(1, "step"):
        assert not torch.equal(core(x)[0], first)
    core.eval()
    torch.testing.assert_close(core(x)[0], written_out(core, x, [T] * B))


@pytest.mark.parametrize("name", GATES)
def test_fits_one_batch(name):
    core = made(name, F, 16)
    head = torch.nn.Linear(16, 1).double()
    x, wanted = inputs(), torch.tensor([[0.3], [-1.2], [0.9]], dtype=torch.float64)
    optimiser = torch.optim.Adam([*core.parameters(), *head.parameters()], 0.03)
    for _ in range(80):
        loss = (head(core(x)[0][:, -1]) - wanted).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 2e-3


def test_bad_settings_are_told():
    with pytest.raises(UserError, match="'lstn': did you mean 'lstm'"):
        make_recurrent("lstn", F, W)
    with pytest.raises(UserError, match="layers = 2"):
        make_recurrent("gru", F, W, dropout=0.2)
    with pytest.raises(UserError, match="must be 1 or more"):
        make_recurrent("gru", F, 0)
    core = made("rnn", F, W)
    with pytest.raises(ValueError, match="lengths must be from 1 to 7, got 0"):
        core(inputs(), lengths=torch.tensor([3, 0, 7]))
    with pytest.raises(ValueError, match="state h"):
        core(inputs(), core.zeros(B + 1))
