"""The baseline of ``tick_to_order``: one thread, one loop: receive, decode, send. No book, no risk, no record.

python -m benchmarks.one_thread_loop STREAM_URL WS_API_URL
"""

from __future__ import annotations

import sys

import msgspec
import websocket


class _Quote(msgspec.Struct):
    u: int
    s: str
    b: str
    B: str


class _Frame(msgspec.Struct):
    stream: str
    data: _Quote


def main(stream_url: str, order_url: str) -> None:
    orders = websocket.create_connection(order_url)
    stream = websocket.create_connection(f"{stream_url}/stream?streams=btcusdt@bookTicker")
    for connection in (orders, stream):
        connection.sock.setsockopt(
            websocket._socket.socket.IPPROTO_TCP, websocket._socket.socket.TCP_NODELAY, 1
        )
    orders.send('{"id":0,"method":"time","params":{}}')
    orders.recv()
    decoder = msgspec.json.Decoder(_Frame)
    number = 0
    while True:
        quote = decoder.decode(stream.recv()).data
        number += 1
        orders.send(
            f'{{"id":{number},"method":"order.place","params":{{"symbol":"{quote.s}","side":"BUY","type":"LIMIT",'
            f'"timeInForce":"IOC","quantity":"{quote.B}","price":"{quote.b}","newClientOrderId":"{number}"}}}}'
        )
        orders.recv()


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2])
    except (websocket.WebSocketException, OSError):
        sys.exit(0)
