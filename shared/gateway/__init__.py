"""Goes out to an exchange over REST: ccxt signs and knows the paths; everything else is decided here.

A call is made only when the exchange's module declares its path, is paid for from the shared budget before
it is signed, leaves through the connection's egress (or to the simulator), and its answer is judged by the
module, never by ccxt.
"""

from shared.gateway.budget import Budget, Turns, TurnsHere, Unlimited
from shared.gateway.calls import Gateway

__all__ = ["Budget", "Gateway", "Turns", "TurnsHere", "Unlimited"]
