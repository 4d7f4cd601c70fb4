"""An ICE agent of another make: `controlling|controlled`, and `IP PORT USER PASSWORD` to relay all.

Lines in and out: `credentials USER PASSWORD`, `candidate FOUNDATION PRIORITY IP PORT TYPE`, `end`.
Then it connects, says so, and sends each datagram back until it gets `bye`.
"""

import asyncio
import sys

import aioice
from aioice.ice import TransportPolicy

aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


def options(arguments):
    if not arguments:
        return {}
    return {
        "turn_server": (arguments[0], int(arguments[1])),
        "turn_username": arguments[2],
        "turn_password": arguments[3],
        "transport_policy": TransportPolicy.RELAY,
    }


async def main():
    controlling = sys.argv[1] == "controlling"
    connection = aioice.Connection(ice_controlling=controlling, **options(sys.argv[2:]))
    await connection.gather_candidates()
    print("credentials", connection.local_username, connection.local_password)
    for it in connection.local_candidates:
        print("candidate", it.foundation, it.priority, it.host, it.port, it.type)
    print("end", flush=True)
    loop = asyncio.get_running_loop()
    while True:
        words = (await loop.run_in_executor(None, sys.stdin.readline)).split()
        if words[0] == "end":
            break
        if words[0] == "credentials":
            connection.remote_username, connection.remote_password = words[1:]
        else:
            foundation, priority, host, port, kind = words[1:]
            await connection.add_remote_candidate(
                aioice.Candidate(foundation, 1, "udp", int(priority), host, int(port), kind)
            )
    await connection.add_remote_candidate(None)
    await connection.connect()
    print("connected", flush=True)
    while True:
        data = await connection.recv()
        await connection.send(data)
        if data.endswith(b"bye"):
            break
    await asyncio.sleep(0.2)
    await connection.close()


asyncio.run(asyncio.wait_for(main(), 60))
