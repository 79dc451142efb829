"""How numbers are said, in messages and comments."""


def counted(number: float, noun: str) -> str:
    """Return `number` with `noun` in the singular or the plural.

    >>> counted(1, "thread"), counted(1000, "document"), counted(2.5, "minute")
    ('1 thread', '1,000 documents', '2.5 minutes')
    """
    shown = f"{number:,}" if isinstance(number, int) else f"{number:g}"
    return f"{shown} {noun}{'' if number == 1 else 's'}"
