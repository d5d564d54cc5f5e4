"""Results as pandas frames: the numbers as they are, under names that say what they are."""

from dataclasses import replace

import numpy as np

import layergeom as lg

rng = np.random.default_rng(0)
CLOUD = rng.standard_normal((400, 3)) @ rng.standard_normal((3, 8))
GRAPH = lg.neighbor_graph(CLOUD, k=64)


def test_dimension_against_distance():
    found = lg.scale_analysis(CLOUD, GRAPH)
    frame = found.to_frame()
    assert frame.index.name == "n1"
    assert frame.index.tolist() == found.ranks.tolist()
    np.testing.assert_array_equal(frame["dimension"], found.values)
    np.testing.assert_array_equal(frame["error"], found.errors)
    np.testing.assert_array_equal(frame["distance"], found.distances)


def test_dimension_against_sample_size():
    found = lg.decimation(CLOUD, GRAPH)
    frame = found.to_frame()
    assert frame.index.tolist() == [400, 200, 100, 50]
    np.testing.assert_array_equal(frame["dimension"], found.values)
    np.testing.assert_array_equal(frame["error"], found.errors)
    np.testing.assert_array_equal(frame["spread"], found.spreads)


def test_dimension_around_every_row():
    found = lg.local_dimension(GRAPH)
    np.testing.assert_array_equal(found.to_frame()["dimension"], found.values)
    named = found.to_frame([f"row {i}" for i in range(400)])
    assert named.loc["row 7", "error"] == found.errors[7]


def test_maps_over_a_training():
    profiles = [
        lg.profile({"embedding": CLOUD, "block_1": CLOUD**3 * scale + CLOUD}, k=10)
        for scale in (0.1, 1.0)
    ]
    to_final = np.array([[0.5, 0.4], [1.0, 1.0]])
    found = lg.Dynamics(
        checkpoints=("step0", "step10"),
        steps=np.array([0.0, 10.0]),
        profiles=tuple(profiles),
        overlap_to_final=to_final,
        mean_dimension=replace(profiles[0].dimension),
        turning_point="",
    )
    frame = found.to_frame()
    assert frame.index.names == ["checkpoint", "layer"]
    assert frame.loc[("step10", "block_1"), "step"] == 10
    assert frame.loc[("step10", "block_1"), "dimension"] == profiles[1].dimension.values[1]
    assert frame.loc[("step0", "embedding"), "anisotropy_error"] == profiles[0].anisotropy.errors[0]
    assert frame.loc[("step0", "block_1"), "overlap_to_final"] == 0.4
    assert frame["depth"].tolist() == [0, 1, 0, 1]
    assert np.isnan(frame.loc[("step0", "block_1"), "overlap_to_final_error"])
    assert (
        frame.loc[("step0", "embedding"), "overlap_next_chance"]
        == (profiles[0]["overlap_next"].chance[0])
    )
    unknown = replace(found, overlap_to_final=np.full((2, 2), np.nan)).to_frame()
    assert set(frame) - set(unknown) == {"overlap_to_final", "overlap_to_final_error"}
