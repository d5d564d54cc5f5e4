"""Folders in the layout of esm's ``extract.py``: a file per sequence, with a mapping in it."""

import numpy as np
import pytest
import torch

import layergeom as lg
from layergeom.errors import InputError
from layergeom.states.stored import stored_states

LENGTHS = [5, 9, 3, 7, 6, 8, 4, 5, 6, 7, 5, 9]
LAYERS = (0, 3, 12)
WIDTH = 6


def sequence(row, kinds):
    """What esm-extract holds of one sequence."""
    rng = np.random.default_rng(row)
    states = {
        layer: torch.from_numpy(rng.standard_normal((LENGTHS[row], WIDTH)).astype(np.float32))
        for layer in LAYERS
    }
    made = {
        "representations": states,
        "mean_representations": {layer: x.mean(0).clone() for layer, x in states.items()},
        "bos_representations": {layer: x[0].clone() for layer, x in states.items()},
    }
    return {"label": f"seq{row}"} | {
        f"{k}representations": made[f"{k}representations"] for k in kinds
    }


def folder(place, kinds=("mean_",), n=12, **saving):
    place.mkdir(exist_ok=True)
    for row in range(n):
        torch.save(sequence(row, kinds), place / f"seq{row}.pt", **saving)
    return place


def expected(layer, kind="mean_"):
    return np.stack(
        [sequence(row, [kind])[f"{kind}representations"][layer].numpy() for row in range(12)]
    )


def test_means_are_the_rows_in_the_order_of_the_numbers(tmp_path):
    states = stored_states(folder(tmp_path / "esm"))
    assert states.layers == ("layer_0", "layer_3", "layer_12")
    assert states.ids == tuple(f"seq{row}" for row in range(12))
    assert [name.depth for name in states.names] == [0, 0.5, 1]
    for layer in LAYERS:
        np.testing.assert_array_equal(states[f"layer_{layer}"], expected(layer))
    assert "the mean over the residues, as esm-extract wrote it" in states.warnings[0]


def test_means_come_before_all_else(tmp_path):
    states = stored_states(folder(tmp_path / "esm", ("bos_", "mean_", "")))
    np.testing.assert_array_equal(states["layer_3"], expected(3))


def test_start_tokens_where_there_are_no_means(tmp_path):
    states = stored_states(folder(tmp_path / "esm", ("bos_", "")))
    np.testing.assert_array_equal(states["layer_3"], expected(3, "bos_"))
    assert "the state of the start token" in states.warnings[0]


def test_states_of_residues_are_averaged_and_it_is_said(tmp_path):
    states = stored_states(folder(tmp_path / "esm", ("",)))
    np.testing.assert_allclose(states["layer_12"], expected(12), rtol=1e-6)  # float32 sums
    assert "made of the states of each" in states.warnings[0]


def test_files_of_an_old_torch_are_read(tmp_path):
    states = stored_states(folder(tmp_path / "esm", _use_new_zipfile_serialization=False))
    np.testing.assert_array_equal(states["layer_12"], expected(12))


def test_labels_with_a_slash_are_in_sub_folders(tmp_path):
    place = folder(tmp_path / "esm", n=6)
    (place / "deep").mkdir()
    held = sequence(7, ["mean_"]) | {"label": "deep/seq7"}
    torch.save(held, place / "deep" / "seq7.pt")
    states = stored_states(place)
    assert states.n == 7
    assert "deep/seq7" in states.ids


def test_a_profile_of_the_folder_with_labels_by_sequence(tmp_path):
    place = folder(tmp_path / "esm")
    table = tmp_path / "labels.tsv"
    rows = [f"seq{row}\t{'ab'[row % 2]}" for row in range(12)]
    table.write_text("id\tlabel\n" + "\n".join(reversed(rows)) + "\n")
    found = lg.profile(place, labels=str(table), k=3)
    arrays = {f"layer_{layer}": expected(layer) for layer in LAYERS}
    own = lg.profile(arrays, labels=["ab"[row % 2] for row in range(12)], k=3)
    np.testing.assert_array_equal(found.dimension.values, own.dimension.values)
    np.testing.assert_array_equal(found.label_overlap.values, own.label_overlap.values)


def test_a_folder_of_layers_is_still_one(tmp_path):
    place = tmp_path / "layers"
    place.mkdir()
    for layer in LAYERS:
        torch.save(torch.from_numpy(expected(layer)), place / f"block_{layer + 1}.pt")
    assert stored_states(place).layers == ("block_1", "block_4", "block_13")


def test_files_that_differ_are_refused_by_name(tmp_path):
    place = folder(tmp_path / "esm")
    held = sequence(4, ["mean_"])
    del held["mean_representations"][3]
    torch.save(held, place / "seq4.pt")
    with pytest.raises(InputError, match=r"seq4\.pt has no mean_representations of layer 3"):
        stored_states(place)
    held["mean_representations"] = {layer: torch.ones(WIDTH + 1) for layer in LAYERS}
    torch.save(held, place / "seq4.pt")
    with pytest.raises(InputError, match=r"seq4\.pt has 7 features at layer 0 but seq0\.pt has 6"):
        stored_states(place)
    torch.save(torch.ones(3, 2), place / "seq4.pt")
    with pytest.raises(InputError, match=r"seq4\.pt is not of esm-extract"):
        stored_states(place)


def test_files_without_representations_are_refused(tmp_path):
    place = tmp_path / "esm"
    place.mkdir()
    torch.save({"label": "a", "representations": {}}, place / "a.pt")
    with pytest.raises(InputError, match="holds no representations"):
        stored_states(place)


def test_values_that_are_not_finite_are_found(tmp_path):
    place = folder(tmp_path / "esm")
    held = sequence(4, ["mean_"])
    held["mean_representations"][3][2] = float("nan")
    torch.save(held, place / "seq4.pt")
    with pytest.raises(InputError, match="NaN values in 1 of 12 rows"):
        stored_states(place)["layer_3"]


class Runs:
    """What a hostile file would run when it is unpickled."""

    def __reduce__(self):
        return (print, ("representations",))


def test_no_code_in_a_file_is_run(tmp_path, capsys):
    place = folder(tmp_path / "esm")
    torch.save({"label": Runs(), "mean_representations": {}}, place / "seq0.pt")
    with pytest.raises(InputError, match="damaged or holds more than numbers"):
        stored_states(place)
    held = {"label": Runs(), "mean_representations": {}}
    torch.save(held, place / "seq0.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(InputError, match="damaged or holds more than numbers"):
        stored_states(place)
    assert capsys.readouterr().out == ""


def test_a_stride_of_nothing_is_refused(tmp_path):
    place = folder(tmp_path / "esm")
    held = sequence(0, ["mean_"])
    held["mean_representations"][0] = torch.zeros(1).expand(1 << 40)
    torch.save(held, place / "seq0.pt")
    with pytest.raises(InputError, match="it is refused"):
        stored_states(place)
