"""What of the measurements can be wrong without anything being measured: arithmetic, words, the page."""
