"""UIDs, suffixes, tokens."""

from __future__ import annotations

import uuid

from wherry.kit.ids import SUFFIX_ALPHABET, name_suffix, new_token, new_uid


def test_uids_are_random_uuids() -> None:
    made = [new_uid() for _ in range(300)]
    assert len(set(made)) == 300
    for uid in made:
        parsed = uuid.UUID(uid)
        assert (str(parsed), parsed.version, parsed.variant) == (uid, 4, uuid.RFC_4122)


def test_suffixes_have_five_of_the_upstream_letters() -> None:
    for _ in range(50):
        suffix = name_suffix()
        assert len(suffix) == 5
        assert set(suffix) <= set(SUFFIX_ALPHABET)


def test_tokens_differ_and_need_no_quoting() -> None:
    assert new_token() != new_token()
    assert new_token().replace("-", "").replace("_", "").isalnum()
