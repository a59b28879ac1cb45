#!/usr/bin/env python3
"""A handler in Python, with its standard library alone.

It tells Tributary what changed in a JSON file, a list of objects with a "sku":

    python3 handler.py stock.json 9001

The state that Tributary keeps for it is a digest of each record as it was told last. So it
knows what is new, what has changed and what is gone, and stores nothing itself.
"""

import hashlib
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COLLECTION = "stock"
PAGE = 100  # changes in one response; there is more where there are more


def records(path):
    with open(path, encoding="utf-8") as f:
        return {record["sku"]: record for record in json.load(f)}


def digest(record):
    text = json.dumps(record, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def delta(path, request):
    """Returns what differs from the state, and the state in which nothing of it does."""
    state = dict(request["previous_state"] or {})  # null at first
    now = records(path)
    changed = [sku for sku in sorted(now) if state.get(sku) != digest(now[sku])]
    gone = [sku for sku in sorted(state) if sku not in now]
    for sku in changed[:PAGE]:
        state[sku] = digest(now[sku])
    for sku in gone[:PAGE]:
        del state[sku]
    return {
        "more": len(changed) > PAGE or len(gone) > PAGE,
        "next_state": state,
        "new_or_updated": [{"collection": COLLECTION, "record": now[sku]} for sku in changed[:PAGE]],
        "deleted": [{"collection": COLLECTION, "id": sku} for sku in gone[:PAGE]],
    }


def dump(path, request):
    """Returns everything, page by page. Its state is the last sku that was told."""
    now = records(path)
    skus = [sku for sku in sorted(now) if sku > (request["previous_state"] or "")]
    response = {
        "more": len(skus) > PAGE,
        "new_or_updated": [{"collection": COLLECTION, "record": now[sku]} for sku in skus[:PAGE]],
    }
    if response["more"]:
        response["next_state"] = skus[PAGE - 1]
    else:
        # What the first delta after it begins from.
        response["next_delta_state"] = {sku: digest(record) for sku, record in now.items()}
    return response


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept
    path_of_file = None

    def do_POST(self):
        method = {"/delta": delta, "/dump": dump}.get(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if method is None:
            return self.answer(404, {"detail": "there are /delta and /dump"})
        try:
            self.answer(200, method(self.path_of_file, json.loads(body)))
        except Exception as error:  # Tributary calls again with the same state
            self.answer(500, {"detail": f"{type(error).__name__}: {error}"})

    def answer(self, status, document):
        body = json.dumps(document, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        sys.stderr.write("%s\n" % (format % args))


if __name__ == "__main__":
    Handler.path_of_file = sys.argv[1]
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler)
    print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
