"""From a message's arguments to a job, or to quarantine."""

import msgspec

from shared.domain.errors import BadInput
from shared.queue.layout import read_request
from shared.queue.requests import WriteTrades
from workers.checking import detect
from workers.desk import Desk
from workers.fate import JobRequest, Work, run_job
from workers.writing import park


def job_of(desk: Desk, kind: type[JobRequest], arguments: msgspec.Raw, work: Work) -> None:
    """Run the job that a message asks for; a message that makes no sense is parked with its reason."""
    try:
        request = read_request(kind.NAME, arguments)
    except BadInput as error:
        park(desk, bytes(arguments), str(error))
        return
    assert not isinstance(request, WriteTrades)
    run_job(desk, request, work, detect=detect)
