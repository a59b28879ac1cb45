# Writes to the SQLite file that Datasette shows. Each line of input is one transaction, in
# JSON: {"late": seconds, "writes": [[op, id, ver, note, touched], …]}. All of its records
# get one stamp, taken before the transaction waits for "late" and commits. The answer is
# a line with that stamp.
import datetime
import json
import sqlite3
import sys
import time

db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("pragma journal_mode = wal")
db.execute("pragma synchronous = off")
db.execute("pragma busy_timeout = 10000")
db.execute(
    "create table if not exists people"
    " (id %s primary key, ver integer, note text, touched text, updated_at text)" % sys.argv[2]
)
db.execute("create index if not exists people_updated_at on people (updated_at)")
print("ready", flush=True)

for line in sys.stdin:
    order = json.loads(line)
    db.execute("begin immediate")
    now = datetime.datetime.now(datetime.timezone.utc)
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (now.microsecond // 1000)
    for op, id, ver, note, touched in order["writes"]:
        if op == "insert":
            db.execute("insert into people values (?, ?, ?, ?, ?)", (id, ver, note, "", stamp))
        elif op == "update":
            db.execute("update people set ver = ?, note = ?, updated_at = ? where id = ?", (ver, note, stamp, id))
        elif op == "touch":
            db.execute("update people set ver = ?, touched = ?, updated_at = ? where id = ?", (ver, touched, stamp, id))
        elif op == "remove":
            db.execute("delete from people where id = ?", (id,))
        else:
            raise ValueError(op)
    time.sleep(order["late"])
    db.execute("commit")
    print(stamp, flush=True)
