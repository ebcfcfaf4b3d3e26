"""The generated messages are those of the ``.proto`` beside them."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import descriptor_pb2
from grpc_tools import protoc

from livestack.wire import control_pb2
from tests.support import ROOT


def test_the_messages_are_generated_from_the_proto(tmp_path: Path) -> None:
    """Compiled anew it describes the same; otherwise scripts/protos was forgotten."""
    out = tmp_path / "set"
    arguments = ["protoc", f"-I{ROOT / 'protos'}", f"--descriptor_set_out={out}", "livestack/wire/control.proto"]
    assert 0 == protoc.main(arguments)
    (compiled,) = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file
    compiled.ClearField("source_code_info")
    generated = descriptor_pb2.FileDescriptorProto()
    control_pb2.DESCRIPTOR.CopyToProto(generated)
    for message in compiled.message_type:
        for field in message.field:
            field.ClearField("json_name")
    assert compiled == generated
