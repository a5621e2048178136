# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title A poll: votes are events, counted off chain
@license MIT
@notice Anyone votes until the end block, any number of times; who counts takes each voter's last choice and its stake.
@dev Created by PollCreator (spec 14). Choices are 0 for yes and 1 for no; others are logged and mean nothing.
@custom:kill Nothing can stop a poll before its end block. Afterwards it does nothing.
"""


# Last block in which votes are taken.
endBlock: public(immutable(uint256))


event Vote:
    voter: indexed(address)
    choiceID: uint256


@deploy
def __init__(_endBlock: uint256):
    """
    @param _endBlock Last block in which votes are taken.
    """
    endBlock = _endBlock


@external
def vote(_choiceID: uint256):
    """
    @notice Vote; a later vote replaces an earlier one.
    @param _choiceID 0 for yes, 1 for no.
    """
    assert block.number <= endBlock, "poll is over"
    log Vote(voter=msg.sender, choiceID=_choiceID)


@external
def destroy():
    """
    @notice After the end: give the caller whatever ETH was forced upon the poll.
    @dev The deployed contract destroys itself. Since Cancun that moves the ETH and nothing else, which this does without
         an instruction that is on its way out.
    """
    assert block.number > endBlock, "poll is active"
    if self.balance > 0:
        raw_call(msg.sender, b"", value=self.balance)
