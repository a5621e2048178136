"""Generate the wire messages: `python -m scripts._proto [--check]`.

protoc checks the schema and yields its descriptor; the module built from it uses only protobuf's public API, so one
generated file serves every protobuf release the package allows. The pool is private: the official Python SDK
registers the same package `net` in the default pool, and both must be importable in one process.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from google.protobuf import descriptor_pb2
from grpc_tools import protoc

PROTO_DIR = Path(__file__).parents[1] / "client/livepeer_client/codec/proto"
SOURCE = "net.proto"
LINE_BYTES = 24

MODULE = '''\
"""Messages of package `net`. Generated from {source} by scripts/_proto.py; do not edit."""

from google.protobuf import descriptor_pool, message_factory

# A pool of our own: another library in this process may have its own `net` in the default one.
_POOL = descriptor_pool.DescriptorPool()
_POOL.AddSerializedFile(
{blob}
)
DESCRIPTOR = _POOL.FindFileByName("{source}")

{messages}
'''


def _descriptor(build_dir: Path) -> descriptor_pb2.FileDescriptorProto:
    """Run protoc once for the descriptor and the type stub."""
    out = build_dir / "net.bin"
    plugin = Path(sys.executable).parent / "protoc-gen-mypy"
    arguments = [
        "protoc",
        f"-I{PROTO_DIR}",
        f"-I{files('grpc_tools') / '_proto'}",
        f"--plugin=protoc-gen-mypy={plugin}",
        f"--mypy_out=quiet:{build_dir}",
        f"--descriptor_set_out={out}",
        SOURCE,
    ]
    if protoc.main(arguments) != 0:
        raise SystemExit(f"protoc refused {PROTO_DIR / SOURCE}")
    return descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file[0]


def _drop_json_names(message: descriptor_pb2.DescriptorProto) -> None:
    """Nobody speaks JSON here, and protobuf derives these names anyway."""
    for field in message.field:
        field.ClearField("json_name")
    for nested in message.nested_type:
        _drop_json_names(nested)


def generate(build_dir: Path) -> None:
    """Write net_pb2.py and net_pb2.pyi into `build_dir`."""
    descriptor = _descriptor(build_dir)
    for message in descriptor.message_type:
        _drop_json_names(message)
    blob = descriptor.SerializeToString(deterministic=True)
    chunks = [blob[at : at + LINE_BYTES] for at in range(0, len(blob), LINE_BYTES)]
    module = MODULE.format(
        source=SOURCE,
        blob="\n".join(f"    {chunk!r}" for chunk in chunks),
        messages="\n".join(
            f'{message.name} = message_factory.GetMessageClass(DESCRIPTOR.message_types_by_name["{message.name}"])'
            for message in descriptor.message_type
        ),
    )
    (build_dir / "net_pb2.py").write_text(module, encoding="utf-8")
    (build_dir / "net.bin").unlink()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare with the committed files")
    check: bool = parser.parse_args().check
    with tempfile.TemporaryDirectory() as temporary:
        build_dir = Path(temporary)
        generate(build_dir)
        stale = []
        for name in ("net_pb2.py", "net_pb2.pyi"):
            fresh = (build_dir / name).read_bytes()
            committed = PROTO_DIR / name
            if check and (not committed.exists() or committed.read_bytes() != fresh):
                stale.append(name)
            elif not check:
                committed.write_bytes(fresh)
    if stale:
        print(f"stale: {', '.join(stale)}; run `make proto`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
