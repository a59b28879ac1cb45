// Package offsets is the compacted offsets topic as a table: what it holds to the
// byte, how a batch becomes records of it, and how a partition of it is read back.
//
// # What it promises
//
// The newest record of each key is the whole truth: state is the fold of committed
// batches, and what survives compaction adds up to the `sum` that the state record
// holds. A record that this version does not understand is refused with its offset
// and never skipped.
//
// # The records
//
// A key is a JSON array of texts without white space. Its first element is the
// version of the format, "v1"; its second says what it is:
//
//	["v1","layout"]                          on each lane: how sources map to lanes
//	["v1","claim"]                           on each lane: who owns it
//	["v1","state",SOURCE,COLLECTION]         what a collection is resumed from
//	["v1","entry",SOURCE,COLLECTION,ID]      ledger: one record's version, or mark
//	["v1","doubt",SOURCE,COLLECTION,ID]      what a reading says against an entry
//	["v1","receipt",SOURCE,COLLECTION,KEY]   what is remembered of a dead letter
//	["v1","auth",SOURCE]                     a source's OAuth2 token, sealed
//	["v1","handler",SOURCE]                  what a handler is resumed from
//	["v1","hold",SOURCE,COLLECTION]          an operator makes a collection rest
//
// A lane is a partition. A source lies on lane FNV-1a-64(name) mod lanes.
//
// Values other than those of entries are JSON objects with "v":1. Instants are RFC 3339 in
// UTC with six digits of fraction, or "beginning"; durations are Go's.
//
//	layout  {"v":1,"lanes":4,"hash":"fnv1a-64"}
//	claim   {"v":1,"instance":"host","run":"9f86d081884c7d65","at":INSTANT,
//	         "visit":false,"released":false}
//	doubt   {"v":1,"since":INSTANT,"at":INSTANT,"absent":false,"twice":false}
//	receipt {"v":1,"instant":INSTANT,"print":1,"hash":HEX}
//	auth    {"v":1,"sealed":{"key":"k1","text":BASE64},"expiry":INSTANT,
//	         "number":7,"instance":"host","run":"9f86d081884c7d65",
//	         "written":INSTANT,"intent":{"lasts":"15s","instance":"host",
//	         "run":"9f86d081884c7d65","ended":false}}
//	handler {"v":1,"seq":7,"state":JSON,"dumped":INSTANT,
//	         "pushes":[{"id":"a1","seq":6}],"instance":"host"}
//	hold    {"v":1,"hold":"paused","instance":"host","at":INSTANT}
//	state   {"v":1,"cursor":TEXT,"cursor_at":INSTANT,"trailing":INSTANT,
//	         "lookback":"5m0s","floor":INSTANT,"prints":[{"number":1,
//	         "hash_version":1,"exclude":[...],"id":"id","instant":"updated_at",
//	         "deletions":"deleted_at"}],"topic":TEXT,"topic_id":HEX,"partitions":1,
//	         "instance":"host","seq":12,"sum":HEX}
//
// A state of a collection that is swept also has "sweep":{"position":INSTANT,
// "started":INSTANT,"ended":INSTANT,"passed":INSTANT,"guard":TEXT,"listing":TEXT,
// "trusted":TEXT,"asked":true,"approved":true}, of which those that say nothing are left
// out; "position" is there while one runs. A doubt that a sweep made has "at":"beginning".
//
// A fingerprint among the prints may also have "include", "drop" and "mask": lists of
// paths, as "exclude". The KEY of a receipt is id: and the record's id, or of a record
// without one value: and the first 16 bytes of SHA-256 of its value in hexadecimal; its
// instant is "beginning" where the record has none.
//
// A state of a collection with a list of deletions has "feed":{"cursor":TEXT,
// "cursor_at":INSTANT,"trailing":INSTANT}.
//
// A state may also have "partial":COMMAND: a command is in the middle of changing
// everything, and nobody goes on from it before that command has been run to its end; and
// "reasons":"schedule,manual", why the last pull ran that led to a batch, and "ran":INSTANT,
// when the last pull ended that a cron expression asked for.
//
// The state of a handler is over all collections of its source, and committed with theirs:
// seq is the number of its last group, that is of responses and pushes, and state its own
// JSON, the bytes that it sent less white space between them, null before the first.
// "dumped", when the last dump began that came to its end, is left out where none has, and
// so are "pushes", the last that were committed, the oldest first, where there are none.
// What is committed of a collection of a handler otherwise is as of any other; but its
// trailing is no "beginning" once it has begun, and nothing is to be read from it.
//
// A hold is "paused" or "stopped"; where there is no record the collection goes on.
//
// # What is sealed
//
// The text of an auth record is 12 bytes of random nonce, then AES-256-GCM of
//
//	{"access":TEXT,"refresh":TEXT,"life":"2h0m0s","seed":HEX}
//
// and its tag of 16 bytes. The additional data is the JSON array
//
//	["v1","sealed",KEY,"auth",TOPIC,SOURCE]
//
// with the name of the key, of the offsets topic and of the source: a record copied to
// another place opens nothing there. seed is HMAC-SHA256 of the configured refresh token
// that this one took the place of, keyed by "tributary seed of SOURCE": it lies within, so
// that nobody can try seeds against it.
//
// expiry is when the access token ends, "beginning" if that is not known; number counts
// the tokens that were received; written is the clock of who wrote. intent is there while
// the refresh token may be on its way to the token endpoint, for as long as it lasts, and
// with ended, when nobody knows what came of it.
//
// # Entries
//
// The value of an entry is 28 bytes, numbers big-endian:
//
//	0      version of the format, 1
//	1      flags: 1 = mark (the record is dead; the hash is zero)
//	2–3    number of the fingerprint that the hash was made with
//	4–11   instant in microseconds since 1970, signed
//	12–27  hash
//
// A live entry of fingerprint 0, with the smallest instant and no hash, is that of a
// record which is to be published again when it is next read.
//
// A null value forgets its key. Nothing else is ever said by the absence of a record.
//
// # The sum
//
// `sum` is a multiset hash over the entries, marks, doubts and receipts of a collection: the
// sum modulo 2^256 of SHA-256(len(key) key len(value) value), lengths as four bytes
// big-endian, the digest read as a big-endian number. A batch subtracts what it
// replaces and adds what it writes.
//
// # Settings of the topic
//
// cleanup.policy=compact and nothing else; as many partitions as lanes, for ever.
// delete.retention.ms is a day, so that a reader slower than the cleaner still meets
// the tombstones.
//
// It never decides what is new (that is connector), and never writes by itself (that
// is sink).
package offsets
