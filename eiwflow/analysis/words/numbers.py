"""Numbers as text: the minus sign of print, no minus before a zero, no plural after a one."""


def fixed(value: float, decimals: int) -> str:
    """Return a number with its decimals.

    >>> fixed(-1.234, 2), fixed(-0.001, 2)
    ('−1.23', '0.00')
    """
    return f"{value:z.{decimals}f}".replace("-", "−")


def signed(value: float, decimals: int) -> str:
    """Return a number with its sign; a number that rounds to zero has none.

    >>> signed(1.234, 2), signed(-1.234, 2), signed(-0.001, 2)
    ('+1.23', '−1.23', '0.00')
    """
    text = fixed(value, decimals)
    return f"+{text}" if float(f"{value:.{decimals}f}") > 0 else text


def counted(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> counted(1, "image"), counted(1000, "image")
    ('1 image', '1,000 images')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"
