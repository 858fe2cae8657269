"""Goes out to an exchange over REST; ccxt is the signer, the transport and the market table."""
