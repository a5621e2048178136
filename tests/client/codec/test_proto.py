"""The generated messages: current, and at peace with another library's package `net`."""

import subprocess
import sys
from pathlib import Path

from livepeer_client.codec.proto import net_pb2

ROOT = Path(__file__).resolve().parents[3]

# Registers a `net.OrchestratorInfo` of another shape under the same file name, as the official SDK does, in
# protobuf's default pool, before and after ours is imported.
CLASH = """
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

def register(file_name):
    file = descriptor_pb2.FileDescriptorProto(name=file_name, package="net", syntax="proto3")
    message = file.message_type.add(name="OrchestratorInfo")
    message.field.add(name="elsewhere", number=1, type=3, label=1)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("net.OrchestratorInfo"))

{first}
{second}
ours = net_pb2.OrchestratorInfo(transcoder="https://orchestrator:8935").SerializeToString()
assert net_pb2.OrchestratorInfo.FromString(ours).transcoder == "https://orchestrator:8935"
assert theirs(elsewhere=7).SerializeToString() == bytes((8, 7))
"""
THEIRS = 'theirs = register("net.proto")'
OURS = "from livepeer_client.codec.proto import net_pb2"


def _run(first: str, second: str) -> None:
    command = [sys.executable, "-c", CLASH.format(first=first, second=second)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_import__beside_another_package_net_registered_first__both_work() -> None:
    _run(THEIRS, OURS)


def test_import__beside_another_package_net_registered_later__both_work() -> None:
    _run(OURS, THEIRS)


def test_generated_files__against_a_fresh_generation__are_the_same() -> None:
    command = [sys.executable, "-m", "scripts._proto", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_services__of_the_package__have_the_methods_of_the_network() -> None:
    found = {
        f"/{service.full_name}/{method.name}"
        for service in net_pb2.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert found == {
        "/net.Orchestrator/GetOrchestrator",
        "/net.Orchestrator/EndTranscodingSession",
        "/net.Orchestrator/Ping",
        "/net.Transcoder/RegisterTranscoder",
        "/net.AIWorker/RegisterAIWorker",
        "/net.TicketRedeemer/QueueTicket",
        "/net.TicketRedeemer/MaxFloat",
        "/net.TicketRedeemer/MonitorMaxFloat",
    }
