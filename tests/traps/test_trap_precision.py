"""Half precision, kernels and threads."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from threadpoolctl import threadpool_limits
from trap_cases import (
    SMALL,
    network,
    opened,
    profile,
    quick,
    rows_of,
    some,
    together,
    token_ids,
    worst,
)

from layergeom.errors import InputError
from layergeom.geometry import neighbor_graph, neighborhood_overlap
from layergeom.geometry.spectrum_functions import FUNCTIONS
from layergeom.layer import Settings
from layergeom.measure import measure
from layergeom.states.extract import extract
from layergeom.states.inputs import read_samples
from layergeom.states.models import load
from layergeom.states.stored import stored_states
from states.tiny_families import FAMILIES, states

OVERFLOWING = some(
    "gpt2", "llama", "bert", "esm2", "t5", "t5_decoder", "vit", "imagegpt", "neox", "opt", "bloom",
    "falcon", "roberta", "modernbert", "bart", "clip_vision",
)  # fmt: skip


def overflowing(case):
    """A network whose second block gives more than float16 holds, but not more than float32."""
    module = opened(case)
    block = load(module, part=case.part).blocks[1]
    with torch.no_grad():
        for weights in block.module.parameters():
            if weights.ndim == 2:
                weights.mul_(4e3 / weights.abs().max())
    return module, block.path


@pytest.mark.parametrize("case", quick(7, OVERFLOWING), ids=str)
def test_T_fp16_overflow(case):
    module, path = overflowing(case)
    samples = read_samples(token_ids(9)) if case.part != "vision" else None
    if samples is None:
        found = states(case, load(module.half(), part=case.part))
        assert np.isfinite(found["block_1"]).all()
        assert not np.isfinite(found["block_2"]).any(axis=1).all()
        return
    whole = extract(module, samples, part=case.part)
    hidden = extract(module.half(), samples, part=case.part)
    assert whole.provenance["invalid"] == {}
    assert set(hidden.provenance["invalid"]) == {"block_2", "block_3", "final"} & {*hidden.layers}
    reason = hidden.provenance["invalid"]["block_2"]
    assert reason.startswith("9 of 9 rows are not finite in float16, first in module ")
    assert f"module {path}." in reason
    for key in ("embedding", "block_1"):
        assert worst(hidden[key], whole[key]) < 0.02  # ten bits of mantissa, two blocks
    with pytest.raises(InputError, match="block_2"):
        hidden["block_2"]


@pytest.mark.parametrize("case", some("gpt2", "bert", "t5"), ids=str)
def test_T_fp16_overflow__in_a_profile(case):
    found = profile(overflowing(case)[0].half(), token_ids(40, shortest=6))
    broken = [key for key in found.layers if key not in ("embedding", "block_1")]
    assert list(found.undefined) == broken
    assert all("40 of 40 rows are not finite in float16" in found.undefined[key] for key in broken)
    for name in ("dimension", "anisotropy", "norm"):
        values = found[name].values
        assert np.isfinite(values[:2]).all()
        assert np.isnan(values[2:]).all()


def test_T_fp16_overflow__of_one_row():
    (case,) = some("llama")
    module = case.build()
    with torch.no_grad():
        module.embed_tokens.weight[9] = float("inf")
    hidden = extract(module, read_samples([[5, 6], [7, 9, 8], [7, 8], [6, 5]]))
    assert hidden.provenance["invalid"]["embedding"].startswith("1 of 4 rows is not finite")


@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, pytest.param(torch.float16, marks=pytest.mark.slow)], ids=str
)
@pytest.mark.parametrize("case", quick(9, FAMILIES[::-1]), ids=str)
def test_T_plus_half_precision_is_pooled_in_single(case, dtype):
    found = states(case, load(opened(case).to(dtype), part=case.part))
    for key, wanted in together(case).items():
        assert found[key].dtype == np.float32
        # eight bits of mantissa through three random blocks
        assert worst(found[key], wanted) < (0.2 if dtype == torch.bfloat16 else 0.05), key


# the two kernels of Falcon with ALiBi differ by 3e-3 in transformers itself
KERNELS = [case for case in FAMILIES if case.name != "falcon_alibi"]


def kernels(case):
    """The same network with both of transformers' attention kernels; None where it has one."""
    try:
        return [opened(case, attn_implementation=kind) for kind in ("eager", "sdpa")]
    except ValueError:
        return None


@pytest.mark.parametrize("case", KERNELS, ids=str)
def test_T_attention_kernel(case):
    both = kernels(case)
    if both is None:
        pytest.skip("the family has one kernel only")
    eager, sdpa = (states(case, load(module, part=case.part)) for module in both)
    for key, wanted in eager.items():
        assert worst(sdpa[key], wanted) <= 1e-4, key


@pytest.mark.parametrize("case", quick(2, some("llama", "bert", "gpt2", "esm2")), ids=str)
def test_T_attention_kernel__profile(case):
    rows = token_ids(60, seed=3)
    eager, sdpa = (profile(module, rows) for module in kernels(case))
    assert [m.config._attn_implementation for m in kernels(case)] == ["eager", "sdpa"]
    for name in ("dimension", "anisotropy", "mean_cosine", "overlap_next", "r1"):
        np.testing.assert_allclose(sdpa[name].values, eager[name].values, rtol=1e-3, err_msg=name)


def bits(found):
    values = {name: curve.values.tobytes() for name, curve in found.curves.items()}
    errors = {name: curve.errors.tobytes() for name, curve in found.curves.items()
              if name not in FUNCTIONS}  # fmt: skip
    return values, errors, found.maps["overlap"].values.tobytes(), found.decimation


@pytest.mark.parametrize("shape", [(700, 384), (300, 16)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=str)
def test_T_threads(shape, dtype):
    """The geometry of the same stored states: the same bits, run after run, for any threads."""
    rng = np.random.default_rng(0)
    layers = {f"l{i}": rng.normal(size=shape).astype(dtype) @ np.diag(
        np.linspace(1, 9, shape[1])).astype(dtype) for i in range(2)}  # fmt: skip
    runs = []
    for threads in (1, 2, 2):
        with threadpool_limits(threads):
            runs.append(measure(stored_states(layers), settings=SMALL))
    for other in runs[1:]:
        assert bits(other) == bits(runs[0])
        for name in FUNCTIONS:  # errors from projections in float32, as `spectrum` says
            np.testing.assert_allclose(other[name].errors, runs[0][name].errors, rtol=1e-6)


@pytest.mark.parametrize("case", quick(2, some("bert", "vit", "t5", "llama", "mamba")), ids=str)
def test_T_threads__extraction(case):
    try:
        torch.set_num_threads(2)
        found = states(case, load(network(case), part=case.part), rows_of(case))
    finally:
        torch.set_num_threads(1)
    for key, wanted in together(case).items():
        assert worst(found[key], wanted) <= 1e-5


@pytest.mark.parametrize("offset", [0, 1, 10])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("case", quick(1, some("llama", "gpt2", "bert")), ids=str)
def test_T_storage_dtype(case, dtype, offset, tmp_path):
    hidden = extract(network(case), read_samples(token_ids(200, seed=1, shortest=6)))
    exact = np.asarray(hidden["block_2"], dtype=np.float64)
    exact = exact + offset * np.abs(exact).max()
    save_file({"block_2": torch.as_tensor(exact).to(dtype)}, tmp_path / "states.safetensors")
    rounded = stored_states(tmp_path / "states.safetensors")
    settings = Settings(k=30, ranks=32, decimation=(1,))
    wanted, found = (measure(x, settings=settings) for x in
                     (stored_states({"block_2": exact}), rounded))  # fmt: skip
    graphs = [neighbor_graph(x, k=30) for x in (exact, rounded["block_2"])]
    overlap = neighborhood_overlap(*graphs, 30).value
    moved = abs(found["dimension"].values[0] / wanted["dimension"].values[0] - 1)
    warned = f"the numbers are those of {str(dtype)[6:]}" in " ".join(found.warnings)
    assert warned or (moved <= 0.005 and overlap >= 0.99)
    assert warned or offset < 10
    assert not warned or (offset, dtype) != (0, torch.float16)
    assert "the numbers are those of" not in " ".join(wanted.warnings)


def test_T_storage_dtype__of_numbers_that_were_widened_again():
    """A file in float32 does not tell that its numbers were once in half precision."""
    X = np.random.default_rng(0).normal(50, 1, (300, 8))
    for name in ("float16", "bfloat16"):
        half = torch.as_tensor(X).to(getattr(torch, name)).double().numpy()
        for dtype in (np.float32, np.float64):
            found = measure(stored_states({"l": half.astype(dtype)}), settings=SMALL)
            assert f"the numbers are those of {name}" in " ".join(found.warnings)


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).normal(50, 1, (300, 8)),
        np.random.default_rng(0).integers(0, 256, (300, 64)),
        np.random.default_rng(0).integers(0, 8, (300, 32)) / 4,
        np.random.default_rng(0).normal(0, 1, (300, 8)).astype(np.float16),
    ],
    ids=["exact", "pixels", "quarters", "half, small against the distances"],
)
def test_T_plus_what_was_not_blurred_is_not_told(values):
    found = measure(stored_states({"l": values}), settings=SMALL)
    assert "the numbers are those of" not in " ".join(found.warnings)


def test_T_plus_clamped_float16_has_overflowed():
    """T5 and BART clamp what overflows: finite numbers that mean nothing."""
    (case,) = some("t5")
    module, _ = overflowing(case)
    module = module.half()
    rows = token_ids(9)
    with torch.no_grad():
        own = module.get_encoder()(torch.as_tensor(rows[0])[None], output_hidden_states=True)
    assert all(states_.isfinite().all() for states_ in own.hidden_states)
    hidden = extract(module, read_samples(rows))
    assert list(hidden.provenance["invalid"]) == ["block_2", "block_3", "final"]
    with pytest.raises(InputError, match="Layer block_2"):
        hidden["block_2"]
