"""Why a deployment stops.

DeploymentError
    StaleJournal      the journal belongs to another chain, or to this one before it was reset
    JournalInUse      another run holds the journal
    UnreadableJournal the file is not a journal of ours
    DifferentPlan     the run asks for something other than the journal began with
    CodeMismatch      a recorded address holds other code than the sources give
    ChangedSince      a step was made, and later somebody changed what it had set
    Unsettled         a transaction of the deployer is neither mined nor gone
    StepFailed        a transaction failed
    RoundNotReached   the first round cannot be initialised yet
    MintingOver       tokens are asked for that nobody may mint any more
    IncompatibleLayout new code would find other variables in its storage
"""

from __future__ import annotations


class DeploymentError(Exception):
    """Nothing was sent after this; what was recorded stays recorded."""


class StaleJournal(DeploymentError):
    pass


class JournalInUse(DeploymentError):
    pass


class UnreadableJournal(DeploymentError):
    pass


class DifferentPlan(DeploymentError):
    pass


class CodeMismatch(DeploymentError):
    def __init__(self, name: str, address: str) -> None:
        self.name, self.address = name, address
        super().__init__(
            f"{name}: the code at {address} is not what these sources give. Check out the commit the deployment began "
            "with, or begin another one with --restart or --journal"
        )


class ChangedSince(DeploymentError):
    def __init__(self, step: str, facts: list[str]) -> None:
        self.step, self.facts = step, facts
        super().__init__(
            f"{step}: done by this deployment and changed since ({'; '.join(facts)}). A deployment undoes nothing that "
            "was done later; `ape run verify_deployment` lists all differences"
        )


class Unsettled(DeploymentError):
    pass


class StepFailed(DeploymentError):
    def __init__(self, step: str, reason: str) -> None:
        self.step = step
        super().__init__(f"{step}: {reason}")


class RoundNotReached(DeploymentError):
    def __init__(self, blocks: int) -> None:
        self.blocks = blocks
        super().__init__(
            f"round 0 cannot be initialised: run again in {blocks} blocks, or deploy with --no-start until then"
        )


class MintingOver(DeploymentError):
    def __init__(self, steps: list[str]) -> None:
        self.steps = steps
        super().__init__(
            f"{'; '.join(steps)}: this deployment is finished, and its deployer gave up the right to mint when it "
            "handed the protocol over. Send LPT from an account that has some (LivepeerToken.transfer, or request() of "
            "the LivepeerTokenFaucet where there is one), or begin another deployment with --restart"
        )


class IncompatibleLayout(DeploymentError):
    def __init__(self, name: str, problems: list[str]) -> None:
        self.name, self.problems = name, problems
        super().__init__(f"{name}: " + "; ".join(problems))
