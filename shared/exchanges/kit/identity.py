"""A trade's one identity: the exchange's own ids, joined so that no two lists of ids give one text."""


def identity(*parts: str) -> str:
    """`spot:BTCUSDT:880123:3301:buy`. A colon or backslash inside a part is escaped."""
    return ":".join([part if part.isalnum() else part.replace("\\", "\\\\").replace(":", "\\:") for part in parts])
