from charrnn.data.limits import too_large


def test_what_is_too_large_is_told_with_what_is_allowed() -> None:
    assert str(too_large("the text", 1_500_000)) == "the text: has more than data.max_megabytes = 1.5 MB"
