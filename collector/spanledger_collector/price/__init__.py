"""What a call costs: dated cards of integer rates, found by name and time.

Money is int pico-USD (1e-12 US dollars); ``Price.cost_usd`` is its Decimal for the edge.
``compile`` makes the cards from the pinned catalogue, ``rules`` reads our own corrections, ``names`` finds
which card a raw name means, ``catalogue`` is the seam: one lookup and one sum a call.
"""

from spanledger_collector.price.catalogue import Catalogue
from spanledger_collector.price.charge import Price, Usage

__all__ = ["Catalogue", "Price", "Usage"]
