"""The pull side: answers requests, one thin actor each."""
