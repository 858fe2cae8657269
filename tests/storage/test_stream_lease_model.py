"""Streamers that claim, renew, give back, die and wake up again, in any order: a model beside the real table."""

from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from shared.domain.errors import KeyRejected
from shared.storage import connections, stream_leases
from shared.storage.stream_leases import StateChange
from tests.fixtures.stored import a_connection

HERE = ("someplace",)
LEASE = timedelta(hours=1)
HOLDERS = [UUID(int=number) for number in (1, 2, 3)]
STATES = ("connecting", "live", "lost", "parked")

holders = st.sampled_from(HOLDERS)
places = st.integers(0, 3)


class Leases(RuleBasedStateMachine):
    """`owner`, `fence`, `is_standing`: what the table must say. `told`: whatever any streamer was ever given."""

    db: psycopg.Connection

    def __init__(self) -> None:
        super().__init__()
        self.db.execute("TRUNCATE users CASCADE")
        self.ids = [a_connection(self.db, connection_id=UUID(int=100 - number)) for number in range(4)]
        self.owner: dict[UUID, UUID | None] = dict.fromkeys(self.ids)
        self.fence = dict.fromkeys(self.ids, 0)
        self.is_standing = dict.fromkeys(self.ids, False)
        self.is_resting = dict.fromkeys(self.ids, False)
        self.state = dict.fromkeys(self.ids, "off")
        self.told: list[tuple[UUID, UUID, int]] = []

    def wanted(self) -> list[UUID]:
        return [each for each in self.ids if not self.is_resting[each] and self.state[each] != "parked"]

    @rule(holder=holders, most=st.integers(-1, 5))
    def claim(self, holder: UUID, most: int) -> None:
        free = [each for each in self.wanted() if not self.is_standing[each]]
        got = stream_leases.claim(self.db, holder, most=most, lease=LEASE, exchanges=HERE)
        assert set(got) == set(free[: max(most, 0)])  # those connected longest
        for each, fence in got.items():
            assert fence == self.fence[each] + 1
            self.owner[each], self.fence[each], self.is_standing[each] = holder, fence, True
            self.told.append((holder, each, fence))

    @rule(holder=holders)
    def renew(self, holder: UUID) -> None:
        mine = [each for each in self.ids if self.owner[each] == holder]
        assert stream_leases.renew(self.db, holder, LEASE) == len(mine)
        self.is_standing |= dict.fromkeys(mine, True)

    @rule(holder=holders, place=places, is_all=st.booleans())
    def give_back(self, holder: UUID, place: int, is_all: bool) -> None:
        asked = self.ids if is_all else [self.ids[place]]
        mine = [each for each in asked if self.owner[each] == holder]
        assert stream_leases.give_back(self.db, holder, None if is_all else asked) == len(mine)
        self.owner |= dict.fromkeys(mine, None)
        self.is_standing |= dict.fromkeys(mine, False)

    @rule(holder=holders)
    def die_or_sleep(self, holder: UUID) -> None:
        """Nothing is heard of it until its leases are over. Whether it is dead shows when it speaks, or never."""
        self.db.execute("UPDATE stream_leases SET leased_until = now() - interval '1 s' WHERE holder = %s", (holder,))
        self.is_standing |= {each: False for each in self.ids if self.owner[each] == holder}

    @rule(data=st.data(), state=st.sampled_from(STATES))
    def say(self, data: st.DataObject, state: str) -> None:
        """A streamer says how a stream is under a fence that it was given once: that may be long ago."""
        if not self.told:
            return
        holder, each, fence = data.draw(st.sampled_from(self.told))
        change = StateChange(connection_id=each, fence=fence, state=state)
        taken = stream_leases.record_states(self.db, holder, [change])
        is_owner = (self.owner[each], self.fence[each]) == (holder, fence)
        assert bool(taken) is (is_owner and self.state[each] != state)
        if is_owner:
            self.state[each] = state

    @rule(place=places)
    def suspend(self, place: int) -> None:
        connections.suspend(self.db, self.ids[place], KeyRejected())
        self.is_resting[self.ids[place]] = True

    @rule(place=places)
    def resume(self, place: int) -> None:
        each = self.ids[place]
        connections.resume(self.db, each)
        self.is_resting[each] = False
        self.state[each] = "off" if self.state[each] == "parked" else self.state[each]

    @invariant()
    def the_table_says_what_the_model_says(self) -> None:
        stored = {
            row[0]: row[1:]
            for row in self.db.execute("SELECT connection_id, holder, fence, leased_until > now() FROM stream_leases")
        }
        for each in self.ids:
            known = (self.owner[each], self.fence[each], self.is_standing[each])
            assert stored.get(each, (None, 0, False)) == known

    @invariant()
    def each_holder_sees_its_own_and_all_are_counted(self) -> None:
        wanted = self.wanted()
        for holder in HOLDERS:
            held = stream_leases.held_by(self.db, holder, HERE)
            assert {each: lease.fence for each, lease in held.items()} == {
                each: self.fence[each] for each in self.ids if self.owner[each] == holder
            }
            assert all(lease.is_wanted is (each in wanted) for each, lease in held.items())
        counted = stream_leases.held_by_all(self.db, HERE)
        assert sum(counted.values()) == len(wanted)
        assert counted.get(None, 0) == sum(not self.is_standing[each] for each in wanted)


@pytest.mark.timeout(120)
def test_one_owner_at_a_time_whatever_streamers_do(db):
    machine = type("LeasesHere", (Leases,), {"db": db})
    run_state_machine_as_test(machine, settings=settings(max_examples=25, stateful_step_count=30, deadline=None))
