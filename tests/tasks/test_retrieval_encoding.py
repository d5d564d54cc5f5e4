"""Where states are taken so that they are those of the cut model, and what is put before texts."""

import sys
from pathlib import Path

import pytest
import torch

from layergeom.errors import InputError
from layergeom.states.retrieval_texts import read_retrieval_texts
from layergeom.tasks.retrieval_encoding import encoded

sys.path.append(str(Path(__file__).parents[1] / "states"))  # its modules import each other so

from tiny import folder, texts

torch.set_num_threads(1)
CORPUS = read_retrieval_texts(texts(8), "corpus")
QUERIES = read_retrieval_texts(texts(5, seed=1), "queries")


def run(model, prompts=(None, None), place=None, progress=None, **options):
    options = {"device": "cpu", **options}
    return encoded(str(model), CORPUS, QUERIES, prompts, place, options, progress)


def pipeline(place, family, *steps, **facts):
    st = pytest.importorskip("sentence_transformers")
    from sentence_transformers.sentence_transformer import modules

    word = modules.Transformer(str(folder(place / "base", family)))
    parts = [word, modules.Pooling(16, pooling_mode="mean")]
    parts += [modules.Dense(16, 6) if step == "Dense" else modules.Normalize() for step in steps]
    st.SentenceTransformer(modules=parts, device="cpu", **facts).save(str(place / "model"))
    return place / "model"


def test_without_a_final_norm_the_stream_itself(tmp_path):
    found = run(folder(tmp_path / "bert"))
    assert found.corpus.provenance["settings"]["hook_point"] == "residual"
    assert found.told == ()
    assert (found.corpus.ids, found.queries.n) == (CORPUS.ids, 5)


def test_behind_the_final_norm_unless_it_is_said_otherwise(tmp_path):
    model = folder(tmp_path / "gpt", "GPT2")
    found = run(model)
    for side in (found.corpus, found.queries):
        assert side.provenance["settings"]["hook_point"] == "final_norm"
        assert side.layers[-1] == "block_3"
    assert "behind the model's final norm (ln_f)" in found.told[0]
    bare = run(model, hook_point="residual")
    assert bare.corpus.layers[-1] == "final"
    assert bare.told == ()


def test_learnt_steps_behind_the_pooling_are_part_of_the_full_model(tmp_path):
    """A final norm and a Dense layer: no one view holds both, so the bare states are told."""
    found = run(pipeline(tmp_path, "GPT2", "Dense"))
    assert found.corpus["final"].shape == (8, 6)
    assert found.corpus["block_2"].shape == (8, 16)
    assert "has the steps Dense behind it too" in found.told[0]


def test_normalize_is_no_learnt_step(tmp_path):
    found = run(pipeline(tmp_path, "GPT2", "Normalize"))
    assert found.corpus.provenance["settings"]["hook_point"] == "final_norm"


def test_prompts_are_put_before_the_texts_once(tmp_path):
    prompts = {"prompts": {"query": "w1 ", "document": "w2 "}, "default_prompt_name": "document"}
    model = pipeline(tmp_path, "Bert", **prompts)
    with pytest.raises(InputError, match=r"default prompt 'w2 '.*of the queries is 'w1 '"):
        run(model)
    found = run(model, prompts=("w2 ", None))
    assert found.prompts.document == "w2 "
    assert found.told == ("Prompts: 'w2 ' before queries, 'w2 ' before documents.",)
    plain = read_retrieval_texts([f"w2 {text}" for text in CORPUS.texts], "corpus")
    options = {"device": "cpu", "pool": "mean", "special_tokens": True}
    wanted = encoded(str(model), plain, QUERIES, ("", ""), None, options, None)
    torch.testing.assert_close(
        torch.tensor(found.corpus["block_2"]), torch.tensor(wanted.corpus["block_2"])
    )


def test_both_sides_are_kept_apart_and_told_apart(tmp_path):
    told = []
    model, place = folder(tmp_path / "bert"), tmp_path / "kept"
    run(model, place=place, progress=lambda *progress: told.append(progress))
    found = run(model, place=place)  # answered from what is kept
    seen = {what for _, _, what in told}
    assert seen == {"corpus states", "queries states"}
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["corpus", "queries"]
    assert all(line.startswith(("corpus: ", "queries: ")) for line in found.corpus.warnings)
