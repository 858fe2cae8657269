"""Several streamers: fair parts, hand-over, take-over, and who comes or goes is noticed at once."""

import time

from shared.events.kinds import ConnectionChanged
from shared.events.publish import publish
from shared.storage import connections
from tests.fixtures.waiting import becoming


def parts(*streamers):
    return sorted(len(streamer.claims.connected) for streamer in streamers)


def all_live(stage, ids):
    return lambda: all(stage.state(connection) == "live" for connection in ids)


async def test_a_connection_added_by_anyone_is_streamed_within_two_seconds(stage):
    streamer = stage.start()
    await becoming(lambda: stage.one("SELECT count(*) FROM processes"))
    connection = stage.connect()
    began = time.monotonic()
    await becoming(lambda: stage.state(connection) == "live")
    assert time.monotonic() - began < 2
    assert parts(streamer) == [1]


async def test_a_hint_makes_it_faster_than_the_look_every_second(stage):
    stage.start()
    await becoming(lambda: stage.one("SELECT count(*) FROM processes"))
    times = []
    for _ in range(3):
        connection = stage.connect()
        began = time.monotonic()
        publish(stage.redis, ConnectionChanged(connection_id=connection, change="added"))
        await becoming(lambda added=connection: stage.state(added) == "live")
        times.append(time.monotonic() - began)
    assert min(times) < 0.5


async def test_a_connection_removed_by_anyone_is_dropped_within_two_seconds(stage, server):
    connection = stage.connect()
    streamer = stage.start()
    await becoming(lambda: stage.state(connection) == "live")
    connections.remove_connection(stage.db, connection)
    stage.db.commit()
    began = time.monotonic()
    await becoming(lambda: not server.sockets and not streamer.claims.connected)
    assert time.monotonic() - began < 2
    await becoming(lambda: stage.one("SELECT count(*) FROM stream_leases WHERE holder IS NOT NULL") == 0)
    assert stage.state(connection) == "off"


async def test_a_new_key_opens_the_stream_anew(stage, server):
    connection = stage.connect()
    stage.start()
    await becoming(lambda: stage.state(connection) == "live")
    connections.set_credentials(stage.db, connection, credentials=b"new", key_version="v1", key_fingerprint=b"new")
    stage.db.commit()
    await becoming(lambda: server.joins[connection] == 2 and len(server.joined[connection]) == 1)


async def test_a_second_streamer_gets_its_half_and_gives_it_back_when_it_ends(stage, server):
    ids = [stage.connect() for _ in range(6)]
    first = stage.start()
    await becoming(all_live(stage, ids))
    second = stage.start()
    await becoming(lambda: parts(first, second) == [3, 3])
    await becoming(all_live(stage, ids))
    assert all(len(server.joined[connection]) == 1 for connection in ids)
    began = time.monotonic()
    await stage.stop(second)
    await becoming(lambda: parts(first) == [6])
    await becoming(all_live(stage, ids))
    assert time.monotonic() - began < 5
    assert stage.one("SELECT count(*) FROM processes") == 1


async def test_what_a_dead_streamer_had_is_taken_over_when_its_leases_expire(stage, server):
    ids = [stage.connect() for _ in range(4)]
    first, second = stage.start(lease=2), stage.start(lease=2)
    await becoming(lambda: parts(first, second) == [2, 2])
    await becoming(all_live(stage, ids))
    await stage.kill(second)
    began = time.monotonic()
    await becoming(lambda: parts(first) == [4])
    await becoming(lambda: all(len(server.joined[connection]) == 1 for connection in ids))
    assert time.monotonic() - began < 6
    fences = dict(stage.all("SELECT fence, count(*) FROM stream_leases GROUP BY fence"))
    assert max(fences) >= 2


async def test_a_streamer_takes_no_more_than_it_has_room_for(stage):
    for _ in range(5):
        stage.connect()
    small, large = stage.start(room=1), stage.start(room=10)
    await becoming(lambda: parts(small, large) == [1, 4])
    assert parts(small) == [1]


async def test_a_streamer_that_was_asleep_lets_go_what_others_took(stage, server):
    connection = stage.connect()
    streamer = stage.start()
    await becoming(lambda: stage.state(connection) == "live")
    stage.all(
        "UPDATE stream_leases SET holder = gen_random_uuid(), fence = fence + 1,"
        " leased_until = now() + interval '1 hour' RETURNING fence"
    )
    await becoming(lambda: not streamer.claims.connected and not server.sockets)


async def test_what_went_through_other_hands_and_came_back_is_opened_anew_and_told_truly(stage, server):
    """A streamer slept, another took its connection and ended; it takes it again before it knows that it was gone."""
    connection = stage.connect()
    stage.start()
    await becoming(lambda: stage.state(connection) == "live")
    stage.all(
        "WITH ended AS (UPDATE stream_leases SET holder = NULL, leased_until = '-infinity', fence = fence + 1)"
        " UPDATE user_exchange_connections SET stream_state = 'connecting' RETURNING 1"
    )
    await becoming(lambda: server.joins[connection] == 2 and len(server.joined[connection]) == 1)
    await becoming(lambda: stage.state(connection) == "live")


async def test_an_ordered_end_closes_sockets_writes_out_and_leaves_nothing(stage, server):
    connection = stage.connect()
    streamer = stage.start()
    await becoming(lambda: stage.state(connection) == "live")
    identity = await server.trade(connection)
    await becoming(lambda: streamer.batches.counts["heard"] == 1)
    streamer.stop()
    await stage.stop(streamer)
    assert stage.queued_trades() == [identity]
    assert stage.one("SELECT count(*) FROM stream_leases WHERE holder IS NOT NULL") == 0
    assert stage.one("SELECT count(*) FROM processes") == 0
    assert stage.all("SELECT status FROM trade_sync_sessions") == [("completed",)]
    assert stage.state(connection) == "connecting"
    await becoming(lambda: not server.sockets)
