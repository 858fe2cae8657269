"""Coins that carry another's code: each module calls them as the market list does, which is ccxt's."""

import importlib
from collections.abc import Callable

import ccxt
import pytest

from shared.exchanges import load, names


def coin_of(exchange: str) -> Callable[[str], str] | None:
    """The function of a module that names coins, wherever it stands; one that renames none has none."""
    for file in ("coins", "names", "rows"):
        try:
            found = importlib.import_module(f"shared.exchanges.{exchange}.{file}")
        except ModuleNotFoundError:
            continue
        if hasattr(found, "coin"):
            return found.coin
    return None


# Codes of ccxt that are the same for every exchange, and that these do not use.
UNUSED = {"XBT", "BCHSV"}


@pytest.mark.parametrize("exchange", [name for name in names() if coin_of(name)])
def test_a_coin_is_called_as_the_market_list_calls_it(exchange):
    coin = coin_of(exchange)
    renamed = getattr(ccxt, load(exchange).ccxt_id)().commonCurrencies
    assert {theirs: coin(theirs) for theirs in renamed if theirs not in UNUSED or coin(theirs) != theirs} == {
        theirs: ours for theirs, ours in renamed.items() if theirs not in UNUSED or coin(theirs) != theirs
    }
    assert coin("SOL") == "SOL"


@pytest.mark.parametrize("exchange", ["gate", "htx", "kraken", "krakenfutures", "kucoin", "okx"])
def test_where_bitcoin_has_another_code_it_is_bitcoin(exchange):
    assert coin_of(exchange)("XBT") == "BTC"


@pytest.mark.parametrize("exchange", ["gate", "htx", "kucoin", "okx"])
def test_where_a_fork_has_another_code_it_is_the_fork(exchange):
    assert coin_of(exchange)("BCHSV") == "BSV"
