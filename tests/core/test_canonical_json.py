import hashlib
import math

import pytest

from smplan.core import canonical_json


def test_canonical_json_has_one_form() -> None:
    assert canonical_json.canonical({"b": [1, 2.5, None], "a": "ü"}) == b'{"a":"\\u00fc","b":[1,2.5,null]}'
    assert canonical_json.canonical({"b": 1, "a": 2}) == canonical_json.canonical({"a": 2, "b": 1})


def test_values_that_are_not_json_are_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json.canonical({"a": math.nan})


def test_the_digest_is_sha256_of_the_canonical_form() -> None:
    assert canonical_json.digest({"b": 1, "a": 2}) == hashlib.sha256(b'{"a":2,"b":1}').hexdigest()
