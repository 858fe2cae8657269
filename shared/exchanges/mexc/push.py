"""Spot sockets push protobuf: one wrapper around one of many bodies. Here a frame becomes a plain message.

The descriptors are made at run time from the field numbers of https://github.com/mexcdevelop/websocket-proto (read
2026-11), in a pool of their own: nothing is generated, and fields that are added later are passed over.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from shared.domain.errors import UnreadableRow
from shared.exchanges.kit.contract import Frame
from shared.exchanges.kit.wire import decode_json

_BODIES: Mapping[str, tuple[int, str]] = {
    "privateOrders": (304, "PrivateOrdersV3Api"),
    "privateDeals": (306, "PrivateDealsV3Api"),
    "privateAccount": (307, "PrivateAccountV3Api"),
    "publicMiniTicker": (309, "PublicMiniTickerV3Api"),
}
# Of the bodies that hold no fill and no price nothing is read.
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "PushDataV3ApiWrapper": ("1 string channel", "3 string symbol", "5 int64 createTime", "6 int64 sendTime"),
    "PrivateOrdersV3Api": (),
    "PrivateDealsV3Api": (
        "1 string price",
        "2 string quantity",
        "3 string amount",
        "4 int32 tradeType",
        "5 bool isMaker",
        "6 bool isSelfTrade",
        "7 string tradeId",
        "8 string clientOrderId",
        "9 string orderId",
        "10 string feeAmount",
        "11 string feeCurrency",
        "12 int64 time",
    ),
    "PrivateAccountV3Api": (),
    "PublicMiniTickerV3Api": ("1 string symbol", "2 string price"),
}
_TYPES = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "bool": FieldDescriptorProto.TYPE_BOOL,
}


def _wrapper_class() -> type[Message]:
    file = FileDescriptorProto(name="push.proto", syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for written in fields:
            number, kind, field = written.split()
            message.field.add(name=field, number=int(number), type=_TYPES[kind])
    for name, (place, body) in _BODIES.items():
        file.message_type[0].field.add(
            name=name, number=place, type=FieldDescriptorProto.TYPE_MESSAGE, type_name=f".{body}"
        )
    pool = DescriptorPool()
    pool.Add(file)
    wrapper: type[Message] = GetMessageClass(pool.FindMessageTypeByName("PushDataV3ApiWrapper"))
    return wrapper


_Wrapper = _wrapper_class()
_BAD_KEY = "Invalid listen key"


def decode(frame: Frame) -> Any:
    """The message of a frame: JSON in text, a pushed body in bytes. Raises `UnreadableRow`.

    Bytes that begin as JSON does are JSON. What is said about a listen key is no JSON: it becomes `{"msg": …}`.
    """
    if isinstance(frame, bytes) and frame.startswith(_BAD_KEY.encode()):
        frame = frame.decode("utf-8", "replace")
    if isinstance(frame, str):
        return {"msg": frame.strip()} if frame.startswith(_BAD_KEY) else decode_json(frame)
    return decode_json(frame) if frame[:1] in {b"{", b"["} else _pushed(frame)


def _pushed(frame: bytes) -> dict[str, Any]:
    wrapper = _Wrapper()
    try:
        wrapper.ParseFromString(frame)
    except DecodeError as error:
        raise UnreadableRow(f"not a pushed message: {error}") from error
    body = next((name for name in _BODIES if wrapper.HasField(name)), None)
    if body is not None:
        return _values(wrapper) | {body: _values(getattr(wrapper, body))}
    values = _values(wrapper)
    if not str(values["channel"]).startswith("spot@"):
        raise UnreadableRow("a pushed message has none of the bodies that are known")
    return values  # of a channel that nobody here listens to


def _values(message: Message) -> dict[str, Any]:
    """Its plain fields, also those that hold their default: false and zero say something here."""
    return {
        field.name: getattr(message, field.name) for field in message.DESCRIPTOR.fields if field.message_type is None
    }
