from layergeom.show.layer_axis import recommended_place, spans, tick_labels, ticks


def test_ticks_keep_both_ends_and_stay_few():
    for count in range(1, 120):
        places = ticks(count, most=10)
        assert places[0] == 0
        assert places[-1] == count - 1
        assert len(places) <= 11
        assert places == sorted(set(places))


def test_spans_cover_their_layers(profile, reading):
    by_kind = {span.kind: span for span in spans(profile, reading.phases)}
    assert (by_kind["plateau"].start, by_kind["plateau"].stop) == (6.5, 9.5)
    assert by_kind["peak"].narrow


def test_recommended_place(profile, reading):
    assert recommended_place(profile, reading) == 7
    assert recommended_place(profile, None) is None
    assert tick_labels(profile)[:2] == ["emb", "1"]
