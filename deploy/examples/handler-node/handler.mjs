// A handler in Node, with its standard library alone.
//
// It tells Tributary what changed at an API that lists events:
//
//     node handler.mjs http://127.0.0.1:7000 9002
//
//     GET /events?after=N  → {"events": [{"number": 7, "type": "changed", "item": {"id": 1, …}},
//                                        {"number": 8, "type": "removed", "item": {"id": 2}}], "last": 23}
//     GET /items?after=ID  → {"items": [{"id": 1, …}], "last_event": 23}
//
// The state that Tributary keeps for it is the number of the last event.

import { createServer } from "node:http";

const [api, port] = process.argv.slice(2);
const collection = "items";

async function get(path) {
  const answer = await fetch(new URL(path, api), { signal: AbortSignal.timeout(30_000) });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}

// delta returns the next page of events, in their order. Of an item with several of them
// the last one counts: a response names its deletions apart from its entries.
async function delta(request) {
  const after = request.previous_state?.after ?? 0; // null at first
  const { events, last } = await get(`/events?after=${after}`);
  const latest = new Map(events.map((event) => [event.item.id, event]));
  const response = {
    more: events.length > 0 && events.at(-1).number < last,
    next_state: { after: events.at(-1)?.number ?? after },
    new_or_updated: [],
    deleted: [],
  };
  for (const event of latest.values()) {
    if (event.type === "removed") response.deleted.push({ collection, id: event.item.id });
    else response.new_or_updated.push({ collection, record: event.item });
  }
  return response;
}

// dump returns every item, page by page. It remembers the event at which it began: what
// happens meanwhile is told by the first delta.
async function dump(request) {
  const { after, event } = request.previous_state ?? { after: 0, event: null };
  const { items, last_event } = await get(`/items?after=${after}`);
  const begin = event ?? last_event;
  const new_or_updated = items.map((record) => ({ collection, record }));
  if (items.length === 0) return { more: false, next_delta_state: { after: begin } };
  return { more: true, next_state: { after: items.at(-1).id, event: begin }, new_or_updated };
}

const methods = { "/delta": delta, "/dump": dump };

const server = createServer(async (request, response) => {
  const answer = (status, document) => {
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(document));
  };
  const method = request.method === "POST" && methods[request.url];
  if (!method) return answer(404, { detail: "there are POST /delta and POST /dump" });
  try {
    let body = "";
    for await (const piece of request.setEncoding("utf8")) body += piece;
    answer(200, await method(JSON.parse(body)));
  } catch (error) {
    console.error(error); // Tributary calls again with the same state
    answer(500, { detail: String(error) });
  }
});

server.listen(Number(port), "127.0.0.1", () => console.log(`listening on 127.0.0.1:${server.address().port}`));
