"""Writes to a data folder as fast as it can and prints each acknowledged write, until it is killed (test_sqlite)."""

import asyncio
import os
import random
import sys

from wherry.storage.index import Keep
from wherry.storage.sqlite import SqliteStorage


async def main(folder: str) -> None:
    storage = SqliteStorage(folder, Keep(events=200))  # little history, so that rows are deleted all the time
    for number in range(50_000):  # an end, should nobody kill it
        await asyncio.gather(*(write(storage, f"/root/core/configmaps/a/{number % 20}-{i}") for i in range(8)))


async def write(storage: SqliteStorage, key: str) -> None:
    pad = "x" * random.randrange(3000)
    if storage.newest(key) is not None and random.random() < 0.3:
        record, verb = await storage.delete(key, lambda _: b"gone"), "delete"
    else:
        record, verb = await storage.put(key, lambda revision: f"{key} {revision} {pad}".encode()), "put"
    os.write(1, f"{verb} {key} {record.revision}\n".encode())


asyncio.run(main(sys.argv[1]))
