"""An AI worker: runs models for one orchestrator, and needs neither key nor chain."""

from livepeer_client.nodes.ai import run as run
