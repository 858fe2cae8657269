"""Exact arithmetic with money: nothing is rounded, whatever the length, and texts carry no exponent."""

from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow, localcontext

# Enough for the product of several numbers as long as `fields` lets in; a result that needed more would raise.
_EXACT = Context(prec=600, Emax=100_000, Emin=-100_000, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])


def product(*factors: Decimal) -> Decimal:
    """The exact product, `price x amount` for one."""
    with localcontext(_EXACT):
        result = Decimal(1)
        for factor in factors:
            result *= factor
        return result


def total(*parts: Decimal) -> Decimal:
    """The exact sum."""
    with localcontext(_EXACT):
        return sum(parts, Decimal(0))


def quotient(dividend: Decimal, divisor: Decimal, digits: int = 28) -> Decimal:
    """The quotient to so many significant digits (28: as Decimal itself): the one operation that may have to round."""
    with localcontext(Context(prec=digits)):
        return dividend / divisor


def plain(number: Decimal) -> str:
    """The number as people write it: no exponent, no trailing zeros, no minus before zero."""
    written = format(number, "f")
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return "0" if written in {"", "-0"} else written
