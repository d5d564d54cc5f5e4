from layergeom.show.methods import cited_works, methods_text, references_bib


def test_methods_name_every_setting(profile):
    text = methods_text(profile)
    assert "9,999 samples" in text
    assert "k = 30" in text
    assert "seed = 7" in text
    assert "numpy = 2.4.6" in text
    assert "pooling: mean" in text
    assert "revision abc123" in text
    assert "SE²" in text
    assert "\x1b" not in text


def test_references_hold_all_works():
    bib = references_bib()
    for key in ("valeriani2023", "razzhigaev2024", "facco2017", "denti2022", "roy2007",
                "glielmo2022", "doimo2020", "cheng2025"):  # fmt: skip
        assert f"{{{key}" in bib
    assert bib.count("{") == bib.count("}")


def test_cited_works_have_no_braces():
    works = cited_works()
    assert len(works) == references_bib().count("\n@") + 1
    assert not any("{" in work for work in works)
