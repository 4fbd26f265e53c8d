"""What a jurisdiction's file takes over from the one next door: everyday words, and the completion forms it adopts.

Callers in Sanya and in Yazhou speak alike; five copies of the same words would soon be five different ones.
"""

from __future__ import annotations

from typing import Any

from settings import YamlFile, read_yaml

_WORDS: dict[str, tuple[str, ...]] = {
    "emergency": ("hints", "harmless", "past", "office", "acute"),
    "confidentiality": ("identity", "content", "anonymous"),
    "scope_words": ("directory", "unclear", "grounds"),
}
_INTENT_WORDS = ("words", "leads", "hints", "wordings")


def borrow(tree: YamlFile) -> None:
    """Fills what the file leaves out from the files next door that it names in words_from and forms_from.

    Raises ConfigurationError when there is no such file, or when it has nothing of its own to lend.
    """
    if not isinstance(tree.value, dict):
        return
    if lender := _lender(tree, "words_from"):
        _borrow_words(tree.value, lender)
    if lender := _lender(tree, "forms_from"):
        _borrow_forms(tree.value, lender)


def _lender(tree: YamlFile, key: str) -> dict[str, Any]:
    name = tree.value.get(key)
    if not isinstance(name, str):
        return {}
    path = tree.path.with_name(f"{name}.yaml")
    if path == tree.path or not path.exists():
        raise tree.error((key,), f"there is no other file {path.name} beside this one to take them from")
    lender = read_yaml(path).value
    if not isinstance(lender, dict) or key in lender:
        raise tree.error((key,), f"{path.name} has none of its own; name the file that has them")
    return lender


def _borrow_words(own: dict[str, Any], lender: dict[str, Any]) -> None:
    """Everyday words are the same next door."""
    theirs = {intent.get("id"): intent for intent in lender.get("intents") or () if isinstance(intent, dict)}
    for intent in own.get("intents") or ():
        if isinstance(intent, dict) and not any(key in intent for key in _INTENT_WORDS):
            same = theirs.get(intent.get("id"), {})
            intent |= {key: same[key] for key in _INTENT_WORDS if key in same}
    own.setdefault("scope_words", {})
    for section, keys in _WORDS.items():
        mine, its = own.get(section), lender.get(section)
        if isinstance(mine, dict) and isinstance(its, dict) and not any(key in mine for key in keys):
            mine |= {key: its[key] for key in keys if key in its}


def _borrow_forms(own: dict[str, Any], lender: dict[str, Any]) -> None:
    """Only adopted forms are lent: what a document itself demands binds nobody else."""
    law = own.get("law")
    if not isinstance(law, dict) or "completion_forms" in law:
        return
    known = {intent.get("id") for intent in own.get("intents") or () if isinstance(intent, dict)}
    forms = []
    for form in (lender.get("law") or {}).get("completion_forms") or ():
        applies = form.get("applies") or {}
        intents = [intent for intent in applies.get("intents") or () if intent in known]
        if form.get("adopted") and (intents or not applies.get("intents")):
            forms.append(form | {"applies": applies | {"intents": intents}})
    law["completion_forms"] = forms
