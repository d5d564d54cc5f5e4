"""A tiny random network of every supported family, built from its configuration."""

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from layergeom.states.forward import Target, run
from layergeom.states.patches import check_pixels
from layergeom.states.plans import Plan
from layergeom.states.tokenization import Limits, check_tokens
from states.tiny import token_rows

VOCABULARY = 64
BLOCKS = 3
SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": BLOCKS,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "initializer_range": 0.5,
}
WORDS = {"vocab_size": VOCABULARY, "max_position_embeddings": 40, "pad_token_id": 0}
WORDS |= {"bos_token_id": 2, "eos_token_id": 3}
PIXELS = {"image_size": 12, "patch_size": 4}
GROUPED = {"num_key_value_heads": 1, "head_dim": 8}
SHIFTED = {"pad_token_id": 1, "max_position_embeddings": 42}  # positions start behind the padding
ESM = {"mask_token_id": 3, "token_dropout": True}
HALVES = {
    "encoder_layers": BLOCKS,
    "decoder_layers": BLOCKS,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "init_std": 0.5,
    "decoder_start_token_id": 2,
}


@dataclass(frozen=True, eq=False)
class Case:
    """A family, what makes it tiny, and what its layers must turn out to be."""

    name: str
    network: str  # the class, without "Model"
    changes: dict[str, Any] = field(default_factory=dict)
    final: bool = True  # a final norm makes the output differ from the last block's
    raw: tuple[int, ...] = tuple(range(BLOCKS))  # layers that hidden_states holds as they are
    causal: bool = False
    part: str | None = None

    def __str__(self) -> str:
        return self.name

    def build(self, **changes):
        torch.manual_seed(0)
        base = SIZES | (PIXELS if self.part == "vision" else WORDS)
        network = getattr(transformers, f"{self.network}Model")
        return network(network.config_class(**(base | self.changes | changes))).eval()


ALL = (*range(BLOCKS + 1),)
T5 = {"d_ff": 32, "d_kv": 8, "decoder_start_token_id": 0, "initializer_factor": 1.0}
T5 |= {"num_decoder_layers": BLOCKS}
ENCODERS = (
    Case("esm2", "Esm", ESM | {"position_embedding_type": "rotary"}),
    Case(
        "esm1b", "Esm", ESM | SHIFTED | {"position_embedding_type": "absolute",
        "emb_layer_norm_before": True},
    ),
    Case("esmc", "Esmc"),
    Case("protbert", "Bert", final=False, raw=ALL),
    Case("prott5", "T5", T5),
    Case("prott5_encoder_only", "T5Encoder", T5),
    Case("bert", "Bert", {"hidden_act": "gelu_new"}, final=False, raw=ALL),
    Case("roberta", "Roberta", SHIFTED, final=False, raw=ALL),
    Case("xlm_roberta", "XLMRoberta", SHIFTED, final=False, raw=ALL),
    Case("albert", "Albert", {"embedding_size": 8}, final=False, raw=ALL),
    Case("distilbert", "DistilBert", {"dim": 16, "n_layers": BLOCKS, "n_heads": 2,
         "hidden_dim": 32}, final=False, raw=ALL),
    Case("electra", "Electra", {"embedding_size": 8}, final=False, raw=ALL),
    Case("deberta_v2", "DebertaV2", final=False, raw=ALL),
    Case("modernbert", "ModernBert", {"global_attn_every_n_layers": 2, "local_attention": 8}),
    Case("t5", "T5", T5),
    Case("umt5", "UMT5", T5),
    Case("bart", "Bart", HALVES | {"d_model": 16}, final=False, raw=ALL),
    Case("siglip_text", "SiglipText", {"initializer_factor": 5.0}, raw=ALL),
)  # fmt: skip
DECODERS = (
    Case("gpt2", "GPT2", causal=True),
    Case("imagegpt", "ImageGPT", causal=True),
    Case("gptj", "GPTJ", {"rotary_dim": 4}, causal=True),
    Case("neox", "GPTNeoX", causal=True),
    Case("neox_sequential", "GPTNeoX", {"use_parallel_residual": False}, causal=True),
    Case("opt", "OPT", {"ffn_dim": 32, "word_embed_proj_dim": 16}, causal=True),
    Case("opt_350m", "OPT", {"ffn_dim": 32, "word_embed_proj_dim": 8,
         "do_layer_norm_before": False}, causal=True),
    Case("llama", "Llama", GROUPED, causal=True),
    Case("mistral", "Mistral", GROUPED | {"sliding_window": 4}, causal=True),
    Case("mixtral", "Mixtral", GROUPED | {"num_local_experts": 2}, causal=True),
    Case("qwen2", "Qwen2", GROUPED, causal=True),
    Case("qwen3", "Qwen3", GROUPED, causal=True),
    Case("gemma", "Gemma", GROUPED, causal=True),
    Case("gemma2", "Gemma2", GROUPED | {"sliding_window": 4}, causal=True),
    Case("gemma3", "Gemma3Text", GROUPED | {"sliding_window": 4}, causal=True),
    Case("phi3", "Phi3", causal=True),
    Case("olmo", "Olmo", causal=True),
    Case("olmo2", "Olmo2", causal=True),
    Case("bloom", "Bloom", {"n_layer": BLOCKS, "n_head": 2}, causal=True),
    Case("falcon", "Falcon", {"alibi": False}, causal=True),
    Case("falcon_alibi", "Falcon", {"alibi": True}, causal=True),
    Case("mamba", "Mamba", {"state_size": 4}, raw=(1, 2, 3), causal=True),
    Case("clip_text", "CLIPText", {"initializer_factor": 5.0}, raw=ALL, causal=True),
)  # fmt: skip
HALF = (
    Case("t5_decoder", "T5", T5, part="decoder"),
    Case("bart_decoder", "Bart", HALVES | {"d_model": 16}, final=False, raw=ALL, part="decoder"),
)
VISION = (
    Case("vit", "ViT", raw=ALL, part="vision"),
    Case("deit", "DeiT", raw=ALL, part="vision"),
    Case("beit", "Beit", final=False, raw=ALL, part="vision"),
    Case("dinov2", "Dinov2", raw=ALL, part="vision"),
    Case("dinov2_registers", "Dinov2WithRegisters", raw=ALL, part="vision"),
    Case("dinov3", "DINOv3ViT", raw=ALL, part="vision"),
    Case("mae", "ViTMAE", raw=ALL, part="vision"),
    Case("clip_vision", "CLIPVision", {"initializer_factor": 5.0}, final=False, raw=ALL,
         part="vision"),
    Case("siglip_vision", "SiglipVision", raw=ALL, part="vision"),
)  # fmt: skip
SPECIAL = {  # tokens before the patches: CLS, distillation, registers
    "vit": 1, "deit": 2, "beit": 1, "dinov2": 1, "dinov2_registers": 5, "dinov3": 1, "mae": 1,
    "clip_vision": 1, "siglip_vision": 0,
}  # fmt: skip


def there(cases):
    """Keep the families that the installed transformers has."""
    return tuple(case for case in cases if hasattr(transformers, f"{case.network}Model"))


READERS = there((*ENCODERS, *DECODERS, *HALF))
FAMILIES = (*READERS, *there(VISION))
LIMITS = Limits(40, "error", 0.01)
ROWS = token_rows(5)  # 2 to 19 ids, none of them special


def images(n=5, size=12, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3, size, size)).astype(np.float32)


class Piece(dict):
    """Arrays of a layer, written to within a context."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Memory(dict):
    """A store that writes nothing but its lock, for hundreds of small runs."""

    _shared = TemporaryDirectory()
    folder = Path(_shared.name)

    def open(self, name, arrays, _key, **_draft):
        self[name] = Piece({part: np.zeros(*array) for part, array in arrays.items()})
        return self[name]

    def facts(self, _name, _key):
        return None


def fed(case, loaded, rows=None):
    if case.part == "vision":
        pixels = images() if rows is None else rows
        return check_pixels(pixels, [str(i) for i in range(len(pixels))], loaded, special=False)
    rows = ROWS if rows is None else rows
    names = [str(i) for i in range(len(rows))]
    return check_tokens(rows, names, loaded.vocabulary, LIMITS, loaded.padding)


def states(case, loaded, rows=None, mode="mean", batch_size=8, point="residual"):
    memory, plan = Memory(), Plan(loaded, (mode,), point=point)
    run([Target(plan, fed(case, loaded, rows), memory, "key")], batch_size)
    return {name.removeprefix("layers/"): piece["states"] for name, piece in memory.items()}


def reference(case, module, row):
    """The states of one row by transformers' own means: hidden_states and the output."""
    if case.part == "vision":
        extra = {"noise": torch.arange(9)[None]} if case.name == "mae" else {}
        output = module(torch.as_tensor(row)[None], output_hidden_states=True, **extra)
        first = SPECIAL[case.name]
    elif case.part == "decoder":
        ids = torch.as_tensor(row)[None]
        start = torch.tensor([[module.config.decoder_start_token_id]])
        options = {"decoder_input_ids": torch.cat([start, ids], 1), "output_hidden_states": True}
        output, first = module(ids, **options), 1
        hidden = [entry[0, 1:] for entry in output.decoder_hidden_states]
        return hidden, output.last_hidden_state[0, first:]
    else:
        encoder = module.get_encoder() if module.config.is_encoder_decoder else module
        output, first = encoder(torch.as_tensor(row)[None], output_hidden_states=True), 0
    hidden = [entry[0, first:] for entry in output.hidden_states]
    return hidden, output.last_hidden_state[0, first:]


def relative(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


def snapshot(module):
    hooks = [len(p._forward_hooks) + len(p._forward_pre_hooks) for p in module.modules()]
    return [p.training for p in module.modules()], hooks, module.config.to_dict()


RESIDUES = "LAGVESIKRDTPNQFYMHCWXUBZO"
ESM_WORDS = ["<cls>", "<pad>", "<eos>", "<unk>", *RESIDUES, ".", "-", "<null_1>", "<mask>"]


def protein_tokenizer(family):
    """ProtBert's words are letters, ProtT5's letters behind a mark; both split at blanks."""
    marked = family == "T5"
    special = ["<pad>", "</s>", "<unk>"] if marked else ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = special + [f"▁{letter}" if marked else letter for letter in RESIDUES]
    unknown = special[2] if marked else special[1]
    vocabulary = {word: i for i, word in enumerate(words)}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    if marked:
        inner.pre_tokenizer = pre_tokenizers.Metaspace()
        frame, names = "$A </s>", ("pad_token", "eos_token", "unk_token")
    else:
        inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        frame, names = "[CLS] $A [SEP]", ("pad_token", "unk_token", "cls_token", "sep_token")
    marks = [(word, vocabulary[word]) for word in frame.split() if word in vocabulary]
    inner.post_processor = processors.TemplateProcessing(single=frame, special_tokens=marks)
    given = dict(zip(names, special, strict=True))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=inner, **given)


def esm_tokenizer(folder):
    (folder / "vocab.txt").write_text("\n".join(ESM_WORDS))
    return transformers.EsmTokenizer(str(folder / "vocab.txt"))
