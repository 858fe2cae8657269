"""Past trades: the last hundred fills, or the whole of it by pages that a token continues."""

import base64
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from simulator.dialect import Call
from simulator.http import Response
from simulator.krakenfutures.errors import encode, good, iso, refusal
from simulator.krakenfutures.rows import execution, rest_fill
from simulator.truth import INVERSE, LINEAR, Fill

FILLS = 100
USUAL, MOST = 100, 500


def fills(call: Call) -> Response:
    """GET fills: the newest, or those strictly before `lastFillTime`; of one millisecond some may be lost."""
    last, until = call.params.get("lastFillTime", ""), None
    if last:
        until = _milliseconds(last, call.now_ms) - 1
    found = call.account.read_fills(call.now_ms, until_ms=until, newest_first=True)
    return good({"fills": [rest_fill(fill) for fill in islice(found, FILLS)]}, call.now_ms)


def _milliseconds(text: str, now_ms: int) -> int:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise refusal("invalidArgument: lastFillTime", now_ms) from None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return int(when.timestamp()) * 1000 + when.microsecond // 1000


def executions(call: Call) -> Response:
    """GET executions of the history: `since <= time < before`, newest first unless `sort` is asc.

    A page that is full has a token to go on with, in the body and in a header; the last one has none.
    """
    params, now = call.params, call.now_ms
    for name in ("since", "before", "count"):
        if name in params and not params[name].isdecimal():
            raise refusal(f"invalidArgument: {name}", now, 400)
    if params.get("sort", "desc") not in {"asc", "desc"}:
        raise refusal("invalidArgument: sort", now, 400)
    count = min(int(params.get("count", USUAL)) or USUAL, MOST)
    page = list(islice(_found(call), count))
    body = {
        "accountUid": call.account.uid,
        "len": len(page),
        "elements": [execution(fill, call.account) for fill in page],
        "serverTime": iso(now),
    }
    headers = {}
    if len(page) == count:
        token = base64.urlsafe_b64encode(b"%d:%d" % (page[-1].timestamp_ms, page[-1].sequence)).decode()
        body["continuationToken"] = headers["Next-Continuation-Token"] = token
    return Response(body=encode(body), headers=headers)


def _found(call: Call) -> Iterator[Fill]:
    """Every row that was asked for, from the token on."""
    params, newest_first = call.params, call.params.get("sort", "desc") == "desc"
    since = int(params["since"]) if "since" in params else None
    until = int(params["before"]) - 1 if "before" in params else None
    place = _place(call)
    if place is not None and newest_first:
        until = place[0] if until is None else min(until, place[0])
    elif place is not None:
        since = place[0] if since is None else max(since, place[0])
    name = params.get("tradeable", "").upper()
    product = (INVERSE if name[1:2] == "I" else LINEAR) if name else ""
    found = call.account.read_fills(
        call.now_ms, product=product, market_id=name, since_ms=since, until_ms=until, newest_first=newest_first
    )
    for fill in found:
        here = (fill.timestamp_ms, fill.sequence)
        is_read = place is not None and (here >= place if newest_first else here <= place)
        if not is_read:
            yield fill


def _place(call: Call) -> tuple[int, int] | None:
    """The last row that was read."""
    token = call.params.get("continuation_token", call.params.get("continuationToken", ""))
    if not token:
        return None
    try:
        told = re.fullmatch(rb"(\d+):(\d+)", base64.urlsafe_b64decode(token))
    except ValueError:
        told = None
    if told is None:
        raise refusal("invalidArgument: continuation_token", call.now_ms, 400)
    return int(told[1]), int(told[2])
