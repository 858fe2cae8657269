"""Our words: trades, markets, connections, windows, coverage, errors. No I/O, no clock, no driver."""
