"""Where hidden states come from and how they lie on disk.

Texts or tokens (`read_samples`) become `HiddenStates`, by a forward pass of a model or from
arrays that somebody stored (`stored_states`); a `Store` keeps them, one piece per layer.
"""

from layergeom.states.hidden import HiddenStates, LayerName, open_states, write_facts
from layergeom.states.inputs import Samples, read_samples
from layergeom.states.store import Store, content_key
from layergeom.states.stored import stored_states

__all__ = [
    "HiddenStates",
    "LayerName",
    "Samples",
    "Store",
    "content_key",
    "open_states",
    "read_samples",
    "stored_states",
    "write_facts",
]
