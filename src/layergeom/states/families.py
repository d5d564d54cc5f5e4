"""What neither a configuration nor a module says about a family: one small table, open to all.

Blocks, norms, widths and directions are asked of the network itself (`anatomy`); only how a text
must be spelled for a tokenizer stands here, by the configuration's ``model_type``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from layergeom.errors import InputError

_RESIDUES = frozenset("ACDEFGHIKLMNPQRSTVWY")


@dataclass(frozen=True)
class Family:
    """How a text is spelled before a family's tokenizer reads it.

    Parameters
    ----------
    residues : bool
        Only where every word of the tokenizer is a single letter and the twenty amino acids are
        among them: ProtBert says ``bert`` like any BERT.
    spaced : bool
        A blank between any two letters.
    rare : str
        Letters that become X.
    prefix : str
        Put before the text.
    """

    residues: bool = False
    spaced: bool = False
    rare: str = ""
    prefix: str = ""

    def spell(self, text: str) -> str:
        """Return the text as the tokenizer wants it.

        Examples
        --------
        >>> Family(spaced=True, rare="UZOB").spell("MKUT")
        'M K X T'
        """
        text = text.translate(str.maketrans(self.rare, "X" * len(self.rare)))
        return self.prefix + (" ".join("".join(text.split())) if self.spaced else text)

    def fits(self, tokenizer: Any) -> bool:
        """See whether the entry concerns this tokenizer."""
        return not self.residues or _reads_residues(tokenizer)

    def __str__(self) -> str:
        spaced = ["letters are spaced"] if self.spaced else []
        rare = [f"{', '.join(self.rare)} become X"] if self.rare else []
        prefix = [f"{self.prefix!r} is put in front"] if self.prefix else []
        return "; ".join(spaced + rare + prefix)


# ProtTrans (Elnaggar et al. 2022, doi:10.1109/TPAMI.2021.3095381) was trained on spaced residues
# with U, Z, O and B mapped to X.
_PROTTRANS = Family(residues=True, spaced=True, rare="UZOB")
_TABLE: dict[str, Family] = {
    "albert": _PROTTRANS,
    "bert": _PROTTRANS,
    "electra": _PROTTRANS,
    "t5": _PROTTRANS,
}


def register_family(model_type: str, family: Family) -> None:
    """Add a family to the table, or replace one.

    Parameters
    ----------
    model_type : str
        As the model's ``config.json`` says.
    family : Family
        How its texts are spelled.

    Notes
    -----
    When it misleads: stored states are known by model, data and settings; after another
    registration for the same ``model_type`` use another store.

    Raises
    ------
    InputError
        If ``model_type`` is empty or ``family`` is no `Family`.
    """
    if not isinstance(model_type, str) or not model_type or not isinstance(family, Family):
        raise InputError(
            "register_family takes a model_type such as 'bert' and a Family but got "
            f"{model_type!r} and a {type(family).__name__}."
        )
    _TABLE[model_type] = family


class SpelledTokenizer:
    """A tokenizer that spells every text as its family wants it; all else is the tokenizer's own.

    Parameters
    ----------
    tokenizer : object
        One of transformers'.
    family : Family
        How texts are spelled.
    """

    def __init__(self, tokenizer: Any, family: Family) -> None:
        self._tokenizer = tokenizer
        self._family = family

    def __call__(self, texts: str | Sequence[str], **options: Any) -> Any:
        """Tokenize a text or several, spelled."""
        spell = self._family.spell
        told = spell(texts) if isinstance(texts, str) else [spell(text) for text in texts]
        return self._tokenizer(told, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)


def spelled(tokenizer: Any, model_type: str, warnings: list[str]) -> Any:
    """Return the tokenizer as the family needs it.

    Parameters
    ----------
    tokenizer : object or None
        One of transformers'.
    model_type : str
        The network's family.
    warnings : list of str
        Gets a line if texts are spelled in another way.

    Returns
    -------
    object or None
        The same one where the table says nothing.
    """
    family = _TABLE.get(model_type)
    if tokenizer is None or family is None or not family.fits(tokenizer):
        return tokenizer
    warnings.append(f"Texts are spelled as {model_type} needs them: {family}.")
    return SpelledTokenizer(tokenizer, family)


def _reads_residues(tokenizer: Any) -> bool:
    special = set(tokenizer.all_special_tokens)
    words = {word.lstrip("▁") for word in tokenizer.get_vocab() if word not in special} - {""}
    words = {word for word in words if not word.startswith(("<", "["))}
    return all(len(word) == 1 for word in words) and words >= _RESIDUES
