"""A bridge between an ICE agent of another make and a UDP socket on loopback: `controlling PORT`, the port
of a DTLS server, or `controlled` for a DTLS client to come.

Lines in and out: `credentials USER PASSWORD`, `candidate FOUNDATION PRIORITY IP PORT`, `end`. Once it is
connected it says `connected PORT`, its own port on loopback, and carries datagrams both ways.
"""

import asyncio
import sys

import aioice

aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


class Bridge(asyncio.DatagramProtocol):
    def __init__(self, connection, server):
        self.connection, self.program = connection, server

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.program = address
        asyncio.ensure_future(self.connection.send(data))

    async def carry(self):
        while True:
            data = await self.connection.recv()
            if self.program:
                self.transport.sendto(data, self.program)


async def main():
    role, *port = sys.argv[1:]
    connection = aioice.Connection(ice_controlling=role == "controlling")
    await connection.gather_candidates()
    print("credentials", connection.local_username, connection.local_password)
    for it in connection.local_candidates:
        print("candidate", it.foundation, it.priority, it.host, it.port)
    print("end", flush=True)
    loop = asyncio.get_running_loop()
    while True:
        words = (await loop.run_in_executor(None, sys.stdin.readline)).split()
        if words[0] == "end":
            break
        if words[0] == "credentials":
            connection.remote_username, connection.remote_password = words[1:]
        else:
            foundation, priority, host, port_ = words[1:]
            await connection.add_remote_candidate(
                aioice.Candidate(foundation, 1, "udp", int(priority), host, int(port_), "host")
            )
    await connection.add_remote_candidate(None)
    await connection.connect()
    server = ("127.0.0.1", int(port[0])) if port else None
    transport, bridge = await loop.create_datagram_endpoint(
        lambda: Bridge(connection, server), local_addr=("127.0.0.1", 0)
    )
    print("connected", transport.get_extra_info("sockname")[1], flush=True)
    await bridge.carry()


asyncio.run(asyncio.wait_for(main(), 60))
