"""Networks that write what is spoken: by CTC (Graves et al. 2006), and a transducer (Graves 2012).

Axes: B examples, T frames, F bands, U symbols, W width, V symbols and ∅, which is 0.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.layers.transducer import transducer_loss
from neuralcore.sequence.recurrent import State, make_recurrent
from neuralcore.speech.decoding import greedy, prefix_beam
from neuralcore.speech.spoken import BLANK

MOST = 4  # symbols that a transducer may write in a frame


class CTC(nn.Module):
    """A bidirectional LSTM and a distribution a frame: 2 directions x `parameter_count`, and (2 W + 1) V.

    Args:
        features: F. kinds: V - 1. width: W, of each direction. layers: of the LSTM. dropout: between them.
    """

    def __init__(self, features: int, kinds: int, width: int, layers: int = 1, dropout: float = 0.0):
        super().__init__()
        self.encoder = make_recurrent("lstm", features, width, layers, bidirectional=True, dropout=dropout)
        self.head = nn.Linear(self.encoder.outputs, kinds + 1)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """(B, T, V) logarithms of a softmax, of frames (B, T, F)."""
        outputs, _ = self.encoder(frames, lengths=lengths)
        return self.head(outputs).float().log_softmax(2)

    def losses(
        self, frames: torch.Tensor, lengths: torch.Tensor, symbols: torch.Tensor, counts: torch.Tensor
    ) -> torch.Tensor:
        """(B,) -log of the probability of the symbols (B, U), infinite where there are too few frames for them."""
        logs = self(frames, lengths).transpose(0, 1)
        return F.ctc_loss(logs, symbols, lengths, counts, blank=BLANK, reduction="none")

    @torch.no_grad()
    def written(self, frames: torch.Tensor, lengths: torch.Tensor, beam: int = 1) -> list[list[int]]:
        """The symbols of each example: of the likeliest path, or by a beam of that width."""
        found = []
        for logs, length in zip(self(frames, lengths).cpu().numpy(), lengths.tolist()):
            found.append(greedy(logs[:length]) if beam == 1 else prefix_beam(logs[:length], beam)[0])
        return found


class Transducer(nn.Module):
    """A bidirectional LSTM on frames, an LSTM on the symbols so far, and a layer on the sum of both.

    What comes depends on what was written, so it is a language model too, where CTC takes symbols for independent
    given the frames. Deviation: one tanh layer joins both, as of Graves et al. 2013, where Graves 2012 adds logits.

    Args:
        features: F. kinds: V - 1. width: W, of the encoder's directions, of the symbols' LSTM and of what joins them.
        layers: of the encoder. dropout: between them.
    """

    def __init__(self, features: int, kinds: int, width: int, layers: int = 1, dropout: float = 0.0):
        super().__init__()
        self.encoder = make_recurrent("lstm", features, width, layers, bidirectional=True, dropout=dropout)
        self.symbols = nn.Embedding(kinds + 1, width)  # ∅'s stands for the beginning
        self.predictor = make_recurrent("lstm", width, width)
        self.of_frame, self.of_symbols = nn.Linear(2 * width, width), nn.Linear(width, width, bias=False)
        self.head = nn.Linear(width, kinds + 1)

    def losses(
        self, frames: torch.Tensor, lengths: torch.Tensor, symbols: torch.Tensor, counts: torch.Tensor
    ) -> torch.Tensor:
        """(B,) -log of the probability of the symbols (B, U)."""
        encoded = self.of_frame(self.encoder(frames, lengths=lengths)[0])
        predicted = self.of_symbols(self.predictor(self.symbols(F.pad(symbols, (1, 0), value=BLANK)))[0])
        logits = self.head(torch.tanh(encoded[:, :, None] + predicted[:, None]))
        return transducer_loss(logits, symbols, lengths, counts, BLANK)

    @torch.no_grad()
    def written(self, frames: torch.Tensor, lengths: torch.Tensor, beam: int = 1) -> list[list[int]]:
        """The symbols of each example, the likeliest in every step; of a beam it knows nothing.

        All examples go on together, frame by frame; who writes stays in its frame, `MOST` times at most.
        """
        if beam != 1:
            raise ValueError(f"a transducer is decoded greedily, beam = 1, got {beam}")
        encoded = self.of_frame(self.encoder(frames, lengths=lengths)[0])
        count = len(frames)
        found: list[list[int]] = [[] for _ in range(count)]
        last = torch.full((count, 1), BLANK, device=frames.device)
        state: State = self.predictor.zeros(count)
        output, state = self.predictor(self.symbols(last), state)
        for t in range(encoded.shape[1]):
            going = t < lengths
            for _ in range(MOST):
                logits = self.head(torch.tanh(encoded[:, t] + self.of_symbols(output[:, 0])))
                new = logits.argmax(1)
                going = going & (new != BLANK)
                if not going.any():
                    break
                rows = going.nonzero().squeeze(1)
                for row, symbol in zip(rows.tolist(), new[rows].tolist()):
                    found[row].append(symbol)
                moved, after = self.predictor(
                    self.symbols(new[rows, None]), tuple(part[:, rows].contiguous() for part in state)
                )
                output = output.index_copy(0, rows, moved)
                state = tuple(part.index_copy(1, rows, a) for part, a in zip(state, after))
        return found


MODELS = {"ctc": CTC, "transducer": Transducer}
