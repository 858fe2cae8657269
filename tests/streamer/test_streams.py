"""A stream's life: signed in, heard, lost and found again, succeeded before it ends, ended for good reasons only."""

from shared.domain.errors import ContractBroken
from shared.domain.trades import Product
from shared.storage import connections
from shared.vault import Vault, new_key
from tests.fixtures.waiting import becoming

OLD_KEY = new_key()


def session_states(stage):
    return [row[0] for row in stage.all("SELECT status FROM trade_sync_sessions ORDER BY started_at")]


async def test_a_connection_is_streamed_and_its_trades_are_queued(stage, server):
    connection = stage.connect()
    stage.start()
    await becoming(lambda: stage.state(connection) == "live")
    identity = await server.trade(connection)
    await becoming(stage.queued_trades)
    (batch,) = stage.queued("writes")
    (row,) = batch["rows"]
    assert (row["identity"], row["price"], row["feed"]) == (identity, "64000.10", "spot:BTCUSDT")
    assert batch["holder"].startswith("streamer:")


async def test_a_stream_that_is_live_asks_for_what_it_missed_and_is_a_session(stage):
    connection = stage.connect()
    stage.start()
    (asked,) = await becoming(lambda: stage.queued("live"))
    assert (asked["connection_id"], asked["reason"]) == (str(connection), "connected")
    await becoming(lambda: session_states(stage) == ["running"])


async def test_a_socket_that_is_cut_is_opened_again_and_asks_for_what_it_missed(stage, server):
    connection = stage.connect()
    streamer = stage.start()
    await becoming(lambda: stage.state(connection) == "live")
    server.lets_in.clear()  # states are told every 100 ms: a shorter loss would be none
    server.cut(connection)
    await becoming(lambda: stage.one("SELECT fields ->> 'reason' FROM events WHERE name = 'stream.lost'") == "cut off")
    server.lets_in.set()
    await becoming(lambda: server.joins[connection] == 2 and stage.state(connection) == "live")
    await becoming(lambda: session_states(stage) == ["failed", "running"])
    assert streamer.counts["lost"] == 1
    await becoming(lambda: stage.one("SELECT again FROM jobs") is not None)


async def test_a_socket_that_is_open_but_silent_is_found_out(stage, server):
    connection = stage.connect()
    stage.start()
    await becoming(lambda: stage.state(connection) == "live")
    server.is_mute = True
    await becoming(lambda: stage.state(connection) == "lost", within=40)
    server.is_mute = False
    # The next socket may have been opened while the server was mute still: its sign-in is given up after 30 s.
    await becoming(lambda: stage.state(connection) == "live", within=50)
    lost = "SELECT fields ->> 'reason' FROM events WHERE name = 'stream.lost'"
    await becoming(lambda: ("no answer to a ping",) in stage.all(lost))


async def test_a_refused_socket_is_tried_until_it_opens(stage, server):
    connection = stage.connect()
    server.is_closed = True
    stage.start()
    await becoming(lambda: stage.state(connection) == "lost")
    await becoming(
        lambda: stage.one("SELECT fields ->> 'reason' FROM events") == "The exchange refused the socket (HTTP 503)."
    )
    server.is_closed = False
    await becoming(lambda: stage.state(connection) == "live")


async def test_a_refusal_that_passes_is_tried_again(stage, server):
    connection = stage.connect()
    server.refuse[connection] = "busy"
    stage.start()
    await becoming(lambda: server.joins[connection] >= 2)
    del server.refuse[connection]
    await becoming(lambda: stage.state(connection) == "live")


async def test_a_rejected_key_suspends_its_connection_and_no_other(stage, server):
    good, bad = stage.connect(), stage.connect()
    server.refuse[bad] = "key"
    streamer = stage.start()
    await becoming(lambda: stage.state(good) == "live" and stage.state(bad) == "refused")
    await becoming(lambda: bad not in streamer.claims.connected)
    stored = connections.get_connection(stage.db, bad)
    assert (stored.sync_status, stored.error_code) == ("suspended", "key_rejected")
    assert server.joins[bad] == 1
    assert stage.state(bad) == "refused"
    assert stage.state(good) == "live"


async def test_a_streamer_that_lacks_a_key_version_says_so_and_suspends_nobody(stage, server):
    connection_id = stage.connect()
    before, after = Vault(OLD_KEY), Vault(f"v2:{new_key()},v1:{OLD_KEY}")
    seal = after.seal(
        {"api_key": "k"}, user_id=connection_id, user_salt=bytes(16), connection_id=connection_id, exchange="e"
    )
    vault = before
    opened = []

    def open_key(_):
        opened.append(vault)
        return vault.open(
            seal.blob, user_id=connection_id, user_salt=bytes(16), connection_id=connection_id, exchange="e"
        )

    stage.start(open_key=open_key)
    await becoming(lambda: stage.state(connection_id) == "lost" and len(opened) > 1)
    told = await becoming(lambda: stage.one("SELECT fields ->> 'reason' FROM events"))
    assert "version v2 of CREDENTIALS_KEY" in told
    stored = connections.get_connection(stage.db, connection_id)
    assert (stored.sync_status, stored.error_code) == ("new", None)
    vault = after
    await becoming(lambda: stage.state(connection_id) == "live")


async def test_a_message_that_cannot_be_read_is_kept_and_the_next_one_is_heard(stage, server):
    connection = stage.connect()
    stage.start()
    await becoming(lambda: stage.state(connection) == "live")
    await server.trade(connection, market="NOSUCH")
    await server.say(connection, '{"half a fr')
    await server.say(connection, {"op": "crash"})
    identity = await server.trade(connection)
    await becoming(lambda: stage.queued_trades() == [identity])
    reasons = await becoming(lambda: len(kept := stage.all("SELECT reason FROM quarantine ORDER BY id")) == 3 and kept)
    assert [reason.split(":")[0] for (reason,) in reasons] == [
        "the market 'NOSUCH' (spot) is not in the market list",
        "not JSON",
        "the reader failed",
    ]


async def test_what_only_rest_can_tell_is_asked_for_once_for_many_fills(stage, server):
    connection = stage.connect()
    stage.start()
    await becoming(lambda: stage.queued("live"))
    stage.all("DELETE FROM jobs RETURNING id")
    stage.redis.flushdb()
    for market in ("BTCUSDT", "ETHUSDT", "BTCUSDT"):
        await server.say(connection, {"op": "fill", "id": str(connection), "market": market})
    (asked,) = await becoming(lambda: stage.queued("live"))
    assert (asked["feeds"], asked["reason"]) == (["spot:BTCUSDT", "spot:ETHUSDT"], "filled")


async def test_a_successor_is_live_before_its_predecessor_is_left_and_no_trade_is_lost(stage, server):
    connection = stage.connect()
    streamer = stage.start()
    await becoming(lambda: stage.state(connection) == "live")
    (before,) = server.joined[connection]
    made = [await server.trade(connection)]
    at_once = []

    async def trade_as_the_successor_comes(joined):
        at_once.append(len(server.joined[joined]))
        made.append(await server.trade(joined))

    server.when_joined = trade_as_the_successor_comes
    await server.say(connection, {"op": "closing"})
    await becoming(lambda: server.joins[connection] == 2 and len(server.joined[connection]) == 1)
    assert at_once == [2]
    assert before not in server.joined[connection]
    made.append(await server.trade(connection))
    await becoming(lambda: set(stage.queued_trades()) == set(made))
    assert streamer.counts["lost"] == 0
    await becoming(lambda: session_states(stage) == ["completed", "running"])


async def test_a_socket_is_succeeded_before_its_longest_life_is_over(stage, server):
    connection = stage.connect()
    streamer = stage.start(lifetime_ms=800)
    await becoming(lambda: server.joins[connection] >= 3)
    assert streamer.counts["lost"] == 0


async def test_many_accounts_share_a_socket_and_come_and_go(stage, server):
    first, second, third = stage.connect(), stage.connect(), stage.connect()
    stage.start(accounts_per_socket=2)
    everyone = (first, second, third)
    await becoming(lambda: all(stage.state(connection) == "live" for connection in everyone))
    assert len(server.sockets) == 2
    made = [await server.trade(connection) for connection in everyone]
    await becoming(lambda: sorted(stage.queued_trades()) == sorted(made))
    connections.remove_connection(stage.db, first)
    stage.db.commit()
    await becoming(lambda: not server.joined[first])
    assert stage.state(second) == "live"
    fourth = stage.connect()
    await becoming(lambda: stage.state(fourth) == "live")
    assert len(server.sockets) == 2


async def test_one_account_refused_on_a_shared_socket_does_not_disturb_the_others(stage, server):
    good, bad = stage.connect(), stage.connect()
    server.refuse[bad] = "busy"
    streamer = stage.start(accounts_per_socket=10)
    await becoming(lambda: stage.state(good) == "live" and server.joins[bad] >= 2)
    assert server.joins[good] == 1
    del server.refuse[bad]
    await becoming(lambda: stage.state(bad) == "live")
    assert streamer.counts["lost"] == 0


async def test_messages_that_end_the_reader_park_their_own_stream_and_resume_retries_it(stage, server):
    good, bad = stage.connect(), stage.connect()
    parked = []

    async def poison(joined):
        if joined == bad and not parked:
            for _ in range(3):
                await server.say(bad, {"op": "crash", "id": str(bad)})

    server.when_joined = poison
    streamer = stage.start(accounts_per_socket=10)
    await becoming(lambda: stage.state(bad) == "parked", within=20)
    await becoming(lambda: stage.state(good) == "live" and bad not in streamer.claims.connected)
    stored = connections.get_connection(stage.db, bad)
    assert (stored.sync_status, stored.error_code) == ("new", None)
    assert stage.one("SELECT due_at IS NOT NULL FROM duties WHERE connection_id = %s AND duty = 'catch_up'", bad)
    assert "tradesync resume" in stage.one("SELECT stream_reason FROM user_exchange_connections WHERE id = %s", bad)
    parked_event = "SELECT fields ->> 'reason' FROM events WHERE name = 'stream.parked'"
    assert (await becoming(lambda: stage.one(parked_event))).startswith("Our reader")
    # Nobody knows on whose message a shared socket's reader failed, and so the two were parted.
    kept = stage.all("SELECT connection_id, raw ->> 'op', seen FROM quarantine")
    assert (bad, "crash", 6) in [(connection, op or "crash", seen) for connection, op, seen in kept]
    assert good not in [connection for connection, _, _ in kept]
    joins = server.joins[bad]
    identity = await server.trade(good)
    await becoming(lambda: identity in stage.queued_trades())

    parked.append(bad)
    connections.resume(stage.db, bad)
    stage.db.commit()
    await becoming(lambda: stage.state(bad) == "live")
    assert server.joins[bad] == joins + 1
    identity = await server.trade(bad)
    await becoming(lambda: identity in stage.queued_trades())


async def test_messages_that_are_no_messages_never_park_a_stream(stage, server):
    connection = stage.connect()
    good = 4

    async def babble(joined):
        if server.joins[joined] < good:
            for _ in range(3):
                await server.say(joined, '{"half a fr')

    server.when_joined = babble
    stage.start()
    await becoming(lambda: server.joins[connection] == good and stage.state(connection) == "live", within=30)


async def test_a_ticket_is_fetched_before_each_socket_and_kept_alive(stage, server):
    connection = stage.connect()
    stage.start(has_ticket=True, renew_ms=100)
    await becoming(lambda: stage.state(connection) == "live")
    assert server.paths[-1] != "/private?token="
    first = stage.rest.tickets
    await becoming(lambda: stage.rest.tickets >= first + 3)
    assert server.joins[connection] == 1


async def test_a_ticket_that_dies_gets_the_stream_a_successor(stage, server):
    connection = stage.connect()
    streamer = stage.start(has_ticket=True, renew_ms=100)
    await becoming(lambda: stage.state(connection) == "live")
    stage.rest.error = ContractBroken("the ticket is unknown")
    await becoming(lambda: stage.rest.refused >= 2)
    stage.rest.error = None
    await becoming(lambda: server.joins[connection] >= 2)
    assert streamer.counts["lost"] == 0


async def test_a_connection_with_nothing_to_stream_is_off(stage):
    connection = stage.connect(products=(Product.LINEAR,))
    streamer = stage.start()
    await becoming(lambda: connection in streamer.claims.connected)
    assert stage.state(connection) == "off"
