"""JSON that carries its own SHA-256, so that a changed digit is found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

SEAL = "sha256"


def sealed(content: Mapping[str, Any]) -> str:
    """Return JSON text of plain values, the digest of all the others under ``sha256``.

    Raises
    ------
    ValueError
        If a number is not finite.

    Examples
    --------
    >>> unsealed(json.loads(sealed({"values": [1.5, None]})))
    {'values': [1.5, None]}
    """
    whole = {SEAL: _digest(content), **content}
    return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def unsealed(content: Any) -> dict[str, Any]:
    """Return what was sealed, read as JSON; what has no seal, as it is.

    Raises
    ------
    ValueError
        If it is not what was sealed.
    TypeError
        If it is no mapping.

    Examples
    --------
    >>> unsealed(json.loads(sealed({"values": [1.5]}).replace("1.5", "1.6")))
    Traceback (most recent call last):
    ValueError: its content does not fit its sha256
    """
    if not isinstance(content, dict):
        raise TypeError(f"a mapping is expected, not {type(content).__name__}")
    own = {key: value for key, value in content.items() if key != SEAL}
    if SEAL in content and content[SEAL] != _digest(own):
        raise ValueError("its content does not fit its sha256")
    return own


def _digest(content: Mapping[str, Any]) -> str:
    plain = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(plain.encode()).hexdigest()
