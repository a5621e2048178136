"""Why a command of governance stops. Nothing was sent.

InvalidDecision   the file does not say what the chain could do
Refused           the chain would refuse it now
"""

from __future__ import annotations

from scripts._deployment.errors import DeploymentError


class InvalidDecision(DeploymentError):
    def __init__(self, where: str, problem: str) -> None:
        self.where, self.problem = where, problem
        super().__init__(f"{where}: {problem}")


class Refused(DeploymentError):
    pass
