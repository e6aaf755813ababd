"""Token files, and the tokens in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from wherry.access.authentication.audiences import Agnostic
from wherry.access.authentication.static import StaticTokens, TokenFileError, read_tokens
from wherry.access.user import User

FILE = """\
# token,user,uid,groups

t1, alice ,1,"dev,ops"
t2,bob,2
t3,system:anonymous,
"t,4",carol,4,one,further,columns
"""


def tokens(tmp_path: Path, text: str) -> dict[str, User]:
    path = tmp_path / "tokens.csv"
    path.write_text(text)
    return read_tokens(path)


def test_records_name_users_uids_and_groups(tmp_path: Path) -> None:
    found = tokens(tmp_path, FILE)
    assert found["t1"] == User("alice", "1", ("dev", "ops", "system:authenticated"))
    assert found["t2"] == User("bob", "2", ("system:authenticated",))
    assert found["t3"].groups == ()  # being known does not make anyone of the anonymous
    assert found["t,4"] == User("carol", "4", ("one", "system:authenticated"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a,b\n", "line 1: write token,user,uid"),
        ("t,u,1\n,u,2\n", "line 2: the token and the user must not be empty"),
        ("t,,1\n", "line 1: the token and the user"),
        ('t,u,1,"open\n', "unexpected end of data"),
    ],
)
def test_a_bad_record_is_named(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(TokenFileError, match=why):
        tokens(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TokenFileError, match="nowhere"):
        read_tokens(tmp_path / "nowhere")


def test_a_token_is_for_the_api() -> None:
    known = StaticTokens({"t": User("alice")}, Agnostic(("api", "more")))
    found = known("t", ())
    assert found is not None
    assert (found.user.name, found.audiences) == ("alice", ("api", "more"))
    assert known("T", ()) is None
    assert known("t", ("vault",)) is None
    some = known("t", ("vault", "more"))
    assert some is not None
    assert some.audiences == ("more",)
