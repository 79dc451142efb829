import numpy as np
import pytest

from charrnn.report.features import FEATURES

VALUES = {feature.name: feature.values for feature in FEATURES}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("inside quotation marks", 'a "b" c', "0011000"),
        ("inside quotation marks", "“ab” «c»", "11100110"),
        ("inside quotation marks", '"a\n\nb"', "111001"),
        ("depth of brackets", "a(b[c])d", "01122100"),
        ("depth of brackets", "))(\n\n{", "001101"),
        ("position in the line", "ab\nc", "1201"),
        ("position in the word", "ab c-d", "120101"),
        ("capital letter", "aBÉ1", "0110"),
        ("line that names a speaker", "KING:\nNo.\nFirst Lord:\nI", "111110" + "0000" + "11111111111" + "00"),
        ("inside a comment", "a // b\nc /* d\n*/ #", "00111100" + "011111110" + "1"),
        ("inside a comment", "http://a", "00000000"),
        ("indentation", "\ta\n  b", "440122"),
    ],
)
def test_a_feature_has_a_value_for_each_character(name: str, text: str, expected: str) -> None:
    values = VALUES[name](text)
    assert values.dtype == np.float32
    assert values.tolist() == [float(digit) for digit in expected]
