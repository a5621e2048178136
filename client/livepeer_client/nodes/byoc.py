"""Brought-along capabilities on an orchestrator's port."""

from livepeer_client.adapters.byoc_client import ByocHttp
from livepeer_client.adapters.byoc_server import mount_byoc
from livepeer_client.adapters.clock import SystemClock
from livepeer_client.adapters.http_server import Mount
from livepeer_client.adapters.worker_server import Secret
from livepeer_client.services.byoc import ByocWork, Registry, metered
from livepeer_client.services.byoc_training import TrainingJobs
from livepeer_client.services.capacity import CapacityBoard
from livepeer_client.services.payment import PaymentService
from livepeer_client.services.work import WorkService


def sell_byoc(
    registry: Registry,
    service_uri: str,
    secret: Secret | None,
    *,
    work: WorkService,
    payments: PaymentService,
    board: CapacityBoard,
    http: ByocHttp,
) -> tuple[Mount, TrainingJobs]:
    """The routes, and the jobs that outlast their requests, to be closed when the node ends."""
    byoc = ByocWork(
        registry,
        service_uri=service_uri,
        work=work,
        payments=payments,
        board=board,
        call=http,
        clock=SystemClock(),
    )
    training = TrainingJobs(byoc, service_uri)
    return lambda app: mount_byoc(app, byoc, training, metered, secret), training
