"""What exchange modules share: the contract they fill, readers of raw fields, decoding, signing."""
