import pytest

from layergeom.errors import InputError
from layergeom.states.classifications import classes_at, domain_table, levels_of
from layergeom.states.tables import Table

SCOPE = ["a.1.1.1", "b.10.2.33", None, ""]


def table(**columns):
    return Table("x.tsv", columns, 4)


@pytest.mark.parametrize(
    ("level", "classes"),
    [
        ("class", ["a", "b", None, None]),
        ("fold", ["a.1", "b.10", None, None]),
        ("superfamily", ["a.1.1", "b.10.2", None, None]),
        ("family", ["a.1.1.1", "b.10.2.33", None, None]),
        ("topology", None),
    ],
)
def test_levels_of_scope_codes(level, classes):
    assert classes_at(table(sid=["w", "x", "y", "z"], sccs=SCOPE), level) == classes


def test_cath_has_levels_of_its_own():
    codes = ["1.10.8.10", "3.40.50.300", "1.10.8.20", "2.60.40.10"]
    found = table(id=list("wxyz"), cath=codes)
    assert classes_at(found, "topology") == ["1.10.8", "3.40.50", "1.10.8", "2.60.40"]
    assert classes_at(found, "superfamily") == codes
    assert levels_of(found) == ("class", "architecture", "topology", "superfamily")
    assert classes_at(found, "family") is None


@pytest.mark.parametrize("spoilt", ["a.1.1", "a.1.1.1.1", "A.1.1.1", "1.1.1.1", "a.1.1.x", 7])
def test_a_column_with_anything_else_holds_no_codes(spoilt):
    assert classes_at(table(sccs=["a.1.1.1", "b.1.1.1", spoilt, ""]), "fold") is None


def test_two_columns_with_the_level():
    with pytest.raises(InputError, match=r"'old' and 'new' of x.tsv both have a level 'fold'"):
        classes_at(table(old=SCOPE, new=SCOPE), "fold")


def rows(text):
    return list(enumerate(text.splitlines(keepends=True), start=1))


DIR_CLA = (
    "# dir.cla of a release\n"
    "d1ux8a_\t1ux8\tA:\ta.1.1.1\t113449\tcl=46456,cf=46457,sp=46458,fa=46459\n"
    "d1dlwa_\t1dlw\tA:1-90,B:3-9\tb.2.1.7\t14982\tcl=46456,cf=46457,sp=46458,fa=46459\n"
)
DOMAIN_LIST = (
    "# CATH list\n\n"
    "1oaiA00     1    10     8    10     1     1     1     1     1    59 1.000\n"
    "1go5A00     3    40    50   300     1     1     1     1     2    69 999.000\n"
)
DOMAIN_ALL = "1oaiA00 v4_3_0 1.10.8.10 561-619:A\n1go5A00 v4_3_0 3.40.50.300 -1-69:A\n"


@pytest.mark.parametrize(
    ("text", "ids", "codes", "last"),
    [
        (DIR_CLA, ["d1ux8a_", "d1dlwa_"], ["a.1.1.1", "b.2.1.7"], 3),
        (DOMAIN_LIST, ["1oaiA00", "1go5A00"], ["1.10.8.10", "3.40.50.300"], 4),
        (DOMAIN_ALL, ["1oaiA00", "1go5A00"], ["1.10.8.10", "3.40.50.300"], 2),
    ],
)
def test_lists_of_domains(text, ids, codes, last):
    found = domain_table(rows(text), "list.txt")
    assert found.columns == {"id": ids, "code": codes}
    assert found.place(1) == f"list.txt, line {last}"


def test_other_texts_are_no_lists_but_a_spoilt_list_is_named_by_line():
    assert domain_table(rows("a.1.1.1\nb.1.1.1\n"), "y.txt") is None
    assert domain_table([], "y.txt") is None
    with pytest.raises(InputError, match=r"list.txt, line 4 holds no domain"):
        domain_table(rows(DIR_CLA + "d1dlwa_\t1dlw\n"), "list.txt")
