"""A methods paragraph with every setting, and the references as BibTeX."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from layergeom.geometry.scale_names import NEAREST, scale_words
from layergeom.show.cells import model_name, visible
from layergeom.written import counted

if TYPE_CHECKING:
    from layergeom.profiles import Profile

_BIB = """\
@inproceedings{valeriani2023geometry,
  title     = {The geometry of hidden representations of large transformer models},
  author    = {Valeriani, Lucrezia and Doimo, Diego and Cuturello, Francesca and Laio, Alessandro and Ansuini, Alessio and Cazzaniga, Alberto},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {36},
  year      = {2023},
  eprint    = {2302.00294},
  archiveprefix = {arXiv}
}

@inproceedings{razzhigaev2024shape,
  title     = {The Shape of Learning: Anisotropy and Intrinsic Dimensions in Transformer-Based Models},
  author    = {Razzhigaev, Anton and Mikhalchuk, Matvey and Goncharova, Elizaveta and Oseledets, Ivan and Dimitrov, Denis and Kuznetsov, Andrey},
  booktitle = {Findings of the Association for Computational Linguistics: EACL 2024},
  year      = {2024},
  eprint    = {2311.05928},
  archiveprefix = {arXiv}
}

@article{facco2017estimating,
  title   = {Estimating the intrinsic dimension of datasets by a minimal neighborhood information},
  author  = {Facco, Elena and d'Errico, Maria and Rodriguez, Alex and Laio, Alessandro},
  journal = {Scientific Reports},
  volume  = {7},
  pages   = {12140},
  year    = {2017},
  doi     = {10.1038/s41598-017-11873-y}
}

@article{denti2022generalized,
  title   = {The generalized ratios intrinsic dimension estimator},
  author  = {Denti, Francesco and Doimo, Diego and Laio, Alessandro and Mira, Antonietta},
  journal = {Scientific Reports},
  volume  = {12},
  pages   = {20005},
  year    = {2022},
  doi     = {10.1038/s41598-022-20991-1}
}

@inproceedings{roy2007effective,
  title     = {The effective rank: A measure of effective dimensionality},
  author    = {Roy, Olivier and Vetterli, Martin},
  booktitle = {15th European Signal Processing Conference (EUSIPCO)},
  pages     = {606--610},
  year      = {2007}
}

@article{glielmo2022dadapy,
  title   = {{DADApy}: Distance-based analysis of data-manifolds in {Python}},
  author  = {Glielmo, Aldo and Macocco, Iuri and Doimo, Diego and Carli, Matteo and Zeni, Claudio and Wild, Romina and d'Errico, Maria and Rodriguez, Alex and Laio, Alessandro},
  journal = {Patterns},
  volume  = {3},
  number  = {10},
  pages   = {100589},
  year    = {2022},
  doi     = {10.1016/j.patter.2022.100589}
}

@inproceedings{doimo2020hierarchical,
  title     = {Hierarchical nucleation in deep neural networks},
  author    = {Doimo, Diego and Glielmo, Aldo and Ansuini, Alessio and Laio, Alessandro},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {33},
  year      = {2020}
}

@inproceedings{cheng2025emergence,
  title     = {Emergence of a High-Dimensional Abstraction Phase in Language Transformers},
  author    = {Cheng, Emily and Doimo, Diego and Kervadec, Corentin and Macocco, Iuri and Yu, Jade and Laio, Alessandro and Baroni, Marco},
  booktitle = {International Conference on Learning Representations},
  year      = {2025},
  eprint    = {2405.15471},
  archiveprefix = {arXiv}
}

@inproceedings{ethayarajh2019contextual,
  title     = {How Contextual are Contextualized Word Representations? Comparing the Geometry of {BERT}, {ELMo}, and {GPT-2} Embeddings},
  author    = {Ethayarajh, Kawin},
  booktitle = {Proceedings of EMNLP-IJCNLP 2019},
  year      = {2019},
  doi       = {10.18653/v1/D19-1006}
}

@article{gao2017theory,
  title   = {A theory of multineuronal dimensionality, dynamics and measurement},
  author  = {Gao, Peiran and Trautmann, Eric and Yu, Byron and Santhanam, Gopal and Ryu, Stephen and Shenoy, Krishna and Ganguli, Surya},
  journal = {bioRxiv},
  year    = {2017},
  doi     = {10.1101/214262}
}

@inproceedings{levina2004maximum,
  title     = {Maximum likelihood estimation of intrinsic dimension},
  author    = {Levina, Elizaveta and Bickel, Peter J.},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {17},
  year      = {2004}
}

@inproceedings{garrido2023rankme,
  title     = {{RankMe}: Assessing the downstream performance of pretrained self-supervised representations by their rank},
  author    = {Garrido, Quentin and Balestriero, Randall and Najman, Laurent and LeCun, Yann},
  booktitle = {International Conference on Machine Learning},
  year      = {2023},
  eprint    = {2210.02885},
  archiveprefix = {arXiv}
}

@inproceedings{skean2025layer,
  title     = {Layer by Layer: Uncovering Hidden Representations in Language Models},
  author    = {Skean, Oscar and Arefin, Md Rifat and Zhao, Dan and Patel, Niket and Naghiyev, Jalal and LeCun, Yann and Shwartz-Ziv, Ravid},
  booktitle = {International Conference on Machine Learning},
  year      = {2025},
  eprint    = {2502.02013},
  archiveprefix = {arXiv}
}

@inproceedings{razzhigaev2024linear,
  title     = {Your Transformer is Secretly Linear},
  author    = {Razzhigaev, Anton and Mikhalchuk, Matvey and Goncharova, Elizaveta and Gerasimenko, Nikolai and Oseledets, Ivan and Dimitrov, Denis and Kuznetsov, Andrey},
  booktitle = {Annual Meeting of the Association for Computational Linguistics},
  year      = {2024},
  eprint    = {2405.12250},
  archiveprefix = {arXiv}
}

@inproceedings{huh2024platonic,
  title     = {The Platonic Representation Hypothesis},
  author    = {Huh, Minyoung and Cheung, Brian and Wang, Tongzhou and Isola, Phillip},
  booktitle = {International Conference on Machine Learning},
  year      = {2024},
  eprint    = {2405.07987},
  archiveprefix = {arXiv}
}
"""  # noqa: E501


def references_bib() -> str:
    """Return the references of all quantities and of the layer rule as BibTeX."""
    return _BIB


def methods_text(profile: Profile) -> str:
    """Return a paragraph for the methods section, with every setting of this profile.

    Parameters
    ----------
    profile : Profile
        Its provenance supplies the settings, the versions and the description of the states.

    Returns
    -------
    str
        Plain text: what was measured on what, by which estimator, with which errors; then all
        settings, counts and versions by name, so that nothing is left to memory.
    """
    parts = [_data(profile), _estimators(profile), _errors(profile), *_listed(profile)]
    return " ".join(part for part in parts if part) + "\n"


def _data(profile: Profile) -> str:
    states = _mapping(profile.provenance, "states")
    model = model_name(str(states["model"])) if states.get("model") else None
    source = f"of {visible(model)}" if model else "stored by the user"
    version = states.get("revision") or states.get("commit")
    revision = f" (revision {visible(version)})" if version else ""
    rows = profile.counts.get("rows")
    number = f" on {counted(rows, 'sample', 'samples')}" if rows is not None else ""
    pooled = states.get("pooling", states.get("pool"))
    how = f", one vector per sample (pooling: {_value(pooled)})" if pooled else ""
    count = counted(len(profile.layers), "layer", "layers")
    return f"Hidden states {source}{revision} were analysed at {count}{number}{how}."


_OF_LABELS = {
    "label_overlap": "The label overlap is the mean share of neighbours with the same label.",
    "label_agreement": (
        "The neighbour agreement of numbers is one minus the mean difference of ranks between "
        "neighbours over that between any two samples (after Geary 1954)."
    ),
    "label_jaccard": (
        "The neighbour Jaccard index is the mean share of labels that a sample and a neighbour "
        "have in common (Jaccard 1901)."
    ),
}


def _estimators(profile: Profile) -> str:
    settings = _mapping(profile.provenance, "settings")
    k, scale = settings.get("k"), str(settings.get("scale", NEAREST))
    neighbours = f"k = {_value(k)}" if k is not None else "k"
    sentences = [
        (
            f"The intrinsic dimension was estimated by {scale_words(scale)} (TwoNN: Facco et al. "
            "2017; Gride: Denti et al. 2022), over scales by Gride with n2 = 2 n1."
        ),
        (
            "Neighbourhood overlaps are the mean share of common nearest neighbours with "
            f"{neighbours} (Doimo et al. 2020; Valeriani et al. 2023)."
        ),
    ]
    if profile.of_labels is not None:
        sentences.append(_OF_LABELS[profile.of_labels.name])
    if "anisotropy" in profile.curves:
        sentences.append(
            "Anisotropy is the largest squared singular value over the sum of all, after centring "
            "(Razzhigaev et al. 2024); the effective rank follows Roy and Vetterli (2007)."
        )
    return " ".join(sentences)


def _errors(profile: Profile) -> str:
    rule = _mapping(profile.provenance, "settings").get("errors")
    named = f" (rule: {_value(rule)})" if rule else ""
    return (
        "Errors are one standard error; for the dimension they are robust to the dependence "
        "between samples that share neighbours: SE² = Σ A_ij s_i s_j / I², with scores s, Fisher "
        f"information I and A the neighbour graph{named}. Bands are ±1.96 standard errors. "
        "Unknown errors are stated as unknown."
    )


def _listed(profile: Profile) -> Iterator[str]:
    states = _mapping(profile.provenance, "states")
    sections = {
        "Estimators": _mapping(profile.provenance, "estimators"),
        "Settings": _mapping(profile.provenance, "settings"),
        "Settings of the states": _mapping(states, "settings"),
        "Labels": _mapping(profile.provenance, "labels"),
        "Counts": profile.counts,
        "Versions": _mapping(profile.provenance, "versions"),
        "Versions at extraction": _mapping(states, "versions"),
    }
    for title, values in sections.items():
        if values:
            listed = "; ".join(f"{visible(k)} = {_value(v)}" for k, v in sorted(values.items()))
            yield f"{title}: {listed}."
    key = profile.provenance.get("key") or states.get("key")
    if key:
        yield f"Key of the states: {_value(key)}."


def _mapping(provenance: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = provenance.get(name, {})
    return section if isinstance(section, Mapping) else {}


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{visible(k)}: {_value(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_value(v) for v in value)
    return visible(value, 300)


def cited_works() -> list[str]:
    """Return the references as one line of text each, for the report.

    Examples
    --------
    >>> cited_works()[2].startswith("Facco, Elena")
    True
    """
    return [_work(entry) for entry in re.split(r"\n\n(?=@)", _BIB)]


def _work(entry: str) -> str:
    fields = {k: v.replace("{", "").replace("}", "") for k, v in _fields(entry)}
    authors = fields["author"].replace(" and ", "; ")
    place = fields.get("journal", fields.get("booktitle", ""))
    where = " ".join(filter(None, [place, fields.get("volume", "")]))
    pages = f": {fields['pages'].replace('--', '–')}" if "pages" in fields else ""
    mark = f" doi {fields['doi']}." if "doi" in fields else ""
    mark += f" arXiv {fields['eprint']}." if "eprint" in fields else ""
    return f"{authors} ({fields['year']}). {fields['title']}. {where}{pages}.{mark}"


def _fields(entry: str) -> list[tuple[str, str]]:
    return re.findall(r"^\s+(\w+)\s*= \{(.*)\},?$", entry, flags=re.MULTILINE)
