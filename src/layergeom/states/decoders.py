"""An encoder–decoder read by its decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from layergeom.errors import InputError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class DecoderOutput:
    """Last states and, if asked for, those of every layer.

    Parameters
    ----------
    last_hidden_state : Tensor, shape (batch, T, D)
        What the decoder gives.
    hidden_states : tuple of Tensor
        As transformers counts them; () if they were not asked for.
    """

    last_hidden_state: torch.Tensor
    hidden_states: tuple[torch.Tensor, ...]


class Decoder(nn.Module):
    """The decoder of an encoder–decoder, which reads the text again after the encoder has read it.

    The decoder is fed its start token and then the very tokens that the encoder is fed, as when it
    is trained to give a text back; the start token's states are left out, so that states and
    tokens correspond. As the encoder has seen the whole text, no state is without later tokens.

    Parameters
    ----------
    whole : torch.nn.Module
        The encoder–decoder; a head is not run.

    Raises
    ------
    InputError
        If the configuration names no token that a decoder starts with.
    """

    lead = 1  # positions before the first of the text's, taken off everywhere

    def __init__(self, whole: Any) -> None:
        super().__init__()
        self.whole = whole
        self.config = whole.config
        self.training = whole.training  # train() would also set every module's own
        starts = (
            getattr(owner, name, None)
            for name in ("decoder_start_token_id", "pad_token_id")
            for owner in (whole.config, getattr(whole, "generation_config", None))
        )
        start = next((token for token in starts if token is not None), None)
        if start is None:
            raise InputError(
                f"The configuration of a {type(whole).__name__} has no decoder_start_token_id; set "
                "it, or leave part out to read the encoder."
            )
        self._start = int(start)

    @property
    def path(self) -> str:
        """Path of the decoder proper."""
        proper = self.whole.get_decoder()
        return str(next(path for path, part in self.named_modules() if part is proper))

    def get_input_embeddings(self) -> Any:
        """Return the table of words."""
        return self.whole.get_input_embeddings()

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **options: Any
    ) -> DecoderOutput:
        """Return the states of the text's tokens, each (batch, T, D)."""
        from torch.nn.functional import pad

        encoded = self.whole.get_encoder()(input_ids=input_ids, attention_mask=attention_mask)
        output = self.whole.get_decoder()(
            input_ids=pad(input_ids, (self.lead, 0), value=self._start),
            attention_mask=pad(attention_mask, (self.lead, 0), value=1),
            encoder_hidden_states=encoded.last_hidden_state,
            encoder_attention_mask=attention_mask,
            use_cache=False,
            **options,
        )
        hidden = getattr(output, "hidden_states", None) or ()
        return DecoderOutput(
            output.last_hidden_state[:, self.lead :], tuple(t[:, self.lead :] for t in hidden)
        )
