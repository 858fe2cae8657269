"""The actors: one thin file for each request of `shared.queue.requests`, answering to its name."""
