"""How values are printed inside refusals, and the shapes of the refusals."""

import pytest

from wherry.machinery.patch.refusals import go_format, go_json, invalid_patch, unclassified, unprocessable


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": [1, "x", True, None], "a": {}}, "map[a:map[] b:[1 x true <nil>]]"),
        (1.0, "1"),
        (0.0, "0"),
        (-1.5, "-1.5"),
        (123456.0, "123456"),
        (1234567.0, "1.234567e+06"),
        (1e6, "1e+06"),
        (1e21, "1e+21"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (10**18, "1000000000000000000"),
    ],
)
def test_go_format(value, text):
    assert go_format(value) == text


def test_go_json_escapes_html_and_keeps_the_order():
    assert go_json({"b": "<&>\u2028é", "a": 1.5}) == '{"b":"\\u003c\\u0026\\u003e\\u2028é","a":1.5}'


def test_shapes():
    assert unprocessable().to_status()["details"] == {}
    plain = unclassified("x").to_status()
    assert plain == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "x",
        "code": 500,
    }
    status = invalid_patch("map[a:1]", "why").to_status()
    assert status["message"] == ' "" is invalid: patch: Invalid value: "map[a:1]": why'
    cause = {"reason": "FieldValueInvalid", "message": 'Invalid value: "map[a:1]": why', "field": "patch"}
    assert status["details"] == {"causes": [cause]}
