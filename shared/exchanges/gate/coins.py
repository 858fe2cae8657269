"""Coins that carry another name here than elsewhere: the market table knows them by the other, and so do we."""

from collections.abc import Mapping

RENAMED: Mapping[str, str] = {
    "88MPH": "MPH",
    "ASS": "ASSF",
    "AXIS": "AXISDEFI",
    "BCHSV": "BSV",
    "BIFI": "BITCOINFILE",
    "BOX": "DEFIBOX",
    "BYN": "BEYONDFI",
    "EGG": "GOOSEFINANCE",
    "GTC": "GAMECOM",
    "GTC_BSC": "GAMECOM_BSC",
    "GTC_HT": "GAMECOM_HT",
    "HIT": "HITCHAIN",
    "MM": "MILLION",
    "MPH": "MORPHER",
    "ORT": "XREATORS",
    "POINT": "GATEPOINT",
    "RAI": "RAIREFLEXINDEX",
    "SBTC": "SUPERBITCOIN",
    "TNC": "TRINITYNETWORKCREDIT",
    "TRAC": "TRACO",
    "VAI": "VAIOT",
    "XBT": "BTC",
}


def coin(name: str) -> str:
    """Our name for one of the exchange's coins."""
    return RENAMED.get(name, name)
