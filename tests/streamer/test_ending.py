"""A task ends for sure, even one that loses a cancellation."""

import asyncio

from streamer.ending import end


async def deaf(to):
    """Go on for ever, past so many cancellations."""
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            to -= 1
            if to < 0:
                raise


async def test_a_task_that_swallows_a_cancellation_is_asked_again():
    tasks = [asyncio.ensure_future(deaf(0)), asyncio.ensure_future(deaf(2))]
    await asyncio.wait(tasks, timeout=0)
    assert await end(tasks) == set()
    assert all(task.cancelled() for task in tasks)


async def test_what_does_not_end_in_time_is_named():
    task = asyncio.ensure_future(deaf(10))
    await asyncio.wait({task}, timeout=0)
    assert await end([task], within=0.3) == {task}
    assert await end([task]) == set()


async def test_what_has_ended_is_left_alone():
    task = asyncio.ensure_future(asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=0))
    await task
    assert await end([task]) == set()
