/*
 * How a lane is acquired and how it commits, for the model checker Spin. doc.go says
 * what is checked, what is left out and how to run it by hand.
 *
 * Two instances of the connector share one lane: one transactional id, one partition of
 * the offsets topic, one collection with one data partition. The source holds the versions
 * 1..N, so the cursor is a number: the versions up to it are published.
 *
 *   model                        code
 *   LOOK                         Lane.look: read what is stable, fence nobody
 *   FENCE                        Lane.acquire: kgo.Client.ProducerID, which is InitProducerID
 *   TARGET                       offsets.HighWatermark
 *   READ                         Lane.readTo and Lane.fold, over offsets.Tail
 *   CLAIM                        Lane.claim
 *   NEXT                         Lane.next, and the poller that stages the next version
 *   PRODUCED                     Lane.transact from Lane.produce to outcome.result
 *   ENDING                       Lane.transact and Lane.abort: kgo.Client.EndTransaction
 *   spend                        Own: the lane is closed, its memory forgotten, acquired again
 *   crash, supervise             the process and whoever restarts it
 *   coordinator, leader          Kafka's TransactionCoordinator and partition leaders
 *
 * Options, each a -D flag. The protocol of the broker:
 *   TV1        transaction.version below 2: partitions are added before a produce, a
 *              leader knows only epochs, EndTxn leaves the epoch alone. Without it: KIP-890,
 *              where a produce is checked by the coordinator and EndTxn raises the epoch.
 *   FOREIGN    somebody else has a transaction in the lane's partition of the offsets topic.
 *   CALM       nothing dies, hangs or is lost, but the instances still fence each other: then
 *              everything is published in the end, and nobody waits for ever.
 *   RESEND     the client's retries: a request that was answered may arrive once more, late.
 * Wrong variants of the connector:
 *   NO_FENCE (not with TV1), FENCE_AFTER_READ, READ_LSO, COMMIT_FAILED_PRODUCE, RETRY_AFTER_ENDTXN_ERROR,
 *   KEEP_MEMORY, CURSOR_FIRST, DATA_FIRST, STABLE_CLAIM (with TRUE_FENCE)
 * What is asserted:
 *   ONLY_P1    not P2, to show what a consumer would see of a variant that breaks P2.
 *   TRUE_FENCE that who ends as fenced has lost the lane.
 *   REACH=goal that the goal (see below) is never met, which must fail.
 */

#ifndef N
#define N 2        /* versions */
#endif
#ifndef ACQUIRES
#define ACQUIRES 4 /* acquires of both instances together, starts included */
#endif
#ifndef REFUSALS
#define REFUSALS 1 /* records that a topic refuses */
#endif

/* What has been seen on the way to version N; each is a goal for REACH. */
#define CRASHED 1  /* an instance crashed in a transaction, and both have published */
#define UNKNOWN 2  /* a commit took effect whose reply was lost */
#define LATE    3  /* a request of a dead or fenced instance arrived and was turned away */
#define ABORTED 4  /* a data topic refused a record and the same client went on */
#define TAKEN   5  /* an instance ended because it read another's claim */
#define TIMEOUT 6  /* Kafka aborted a transaction that took too long */
#define HIDDEN  7  /* a restore had to wait for a foreign transaction to see its own cursor */

/* ---- Kafka ---------------------------------------------------------------------- */

#ifdef NO_FENCE
#define IDS 2      /* a transactional id for each instance */
#define ID(i) i
#else
#define IDS 1
#define ID(i) 0
#endif
#define STRANGER 3 /* the producer of FOREIGN, among the ids */

/* The state of a transactional id. After the reply to EndTxn it is PREPARE_*: decided,
 * but readers see nothing of it before the markers are written. */
#define EMPTY           0
#define ONGOING         1
#define PREPARE_COMMIT  2
#define PREPARE_ABORT   3
#define COMPLETE_COMMIT 4
#define COMPLETE_ABORT  5
#define preparing(c) (c.state == PREPARE_COMMIT || c.state == PREPARE_ABORT)

#define DATA    0
#define OFFSETS 1
typedef Coordinator {
	byte state;
	bit  has[2]   /* the partitions of the transaction without a marker so far */
};
Coordinator co[IDS];

/* A partition is what readers see of it, folded, and the records above its last stable
 * offset. A record becomes stable when it is decided and all below it are. */
#define OPEN      0
#define COMMITTED 1
#define CUT       2
typedef Record {
	byte value;
	byte id;
	byte fate
};

#ifdef FOREIGN
#define ROOM 12
#else
#define ROOM 6
#endif
typedef Partition {
	Record at[ROOM];
	byte n
#ifdef TV1
	;
	byte age /* of the newest epoch that the leader knows */
#endif
};
Partition log[2];

byte published;       /* the last version that a read_committed reader of the data sees */
byte cursor;          /* the cursor that a read_committed reader of the offsets sees */
byte claim;           /* and the run whose claim it sees */
byte decided_cursor;  /* the last committed cursor, seen or hidden below an open record */

/* Claims and cursors share the offsets partition. A claim names a run, drawn at a process
 * start; only whether it is one's own matters, so a run is its instance, and when that
 * restarts its former claims become another's. */
#define CLAIMS 16
#define CLAIM_OF(i) (CLAIMS + 1 + i)
#define ANOTHERS    (CLAIMS + 3)

/* Only how epochs compare matters, so none is a number that grows: each is kept as its
 * age, by how many epochs it is behind the coordinator's, up to OLD. */
#ifdef TV1
#define OLD 15
#else
#define OLD 2
#endif

/* What an instance has asked and what became of it. A slot holds the request, then the
 * reply. A request of an instance that gave up or died is LATE: it may still arrive,
 * or never; the next request of this slot takes its place. */
#define FREE    0
#define ASKED   1
#define LATE_   2
#define OK      3
#define REFUSED 4 /* by the topic: certainly nothing was written */
#define FAILED  5 /* fenced, or in a state that does not allow it */
typedef Slot {
	byte is;
	byte age; /* of the producer's epoch */
	byte value
};
Slot to_data[2], to_offsets[2], to_end[2];
byte age[2] = OLD; /* of the epoch that an instance produces with */
#ifdef RESEND
Slot data_again[2], end_again[2]; /* copies */
#endif

byte refusals = REFUSALS;
byte acquires = ACQUIRES;

/* Who must still wait: records that were below the high watermark when it was asked for
 * and are not stable yet. */
byte wait_for[2];

byte x; /* an index, 0 between steps */
hidden byte unstable; /* what find_own found */
#ifdef REACH
bool met;
byte publishers; /* bit i: instance i committed a version */
#define meet(goal) met = met || goal == REACH
#else
#define meet(goal) skip
#endif

/* P1 of the promise: every version once, none left out, in order. */
inline assert_p1(version) { assert(version == published + 1) }

/* P2: whenever a transaction is complete, the cursor says exactly what is published. */
inline assert_p2() {
#ifndef ONLY_P1
	assert(decided_cursor == published)
#else
	skip
#endif
}

inline clear(slot) { slot.is = FREE; slot.age = 0; slot.value = 0 }

/* Whether a leader takes a produce. With KIP-890 the coordinator is asked; before, a
 * leader compares epochs alone, with those it has seen in its own partition. */
#ifdef TV1
#define may_write(slot, p) (slot.age <= log[p].age)
#define REPEATED 0
#define newer(slot, p) (slot.is != FREE && slot.age > log[p].age)
#define client_newer(p) ((age[0] != OLD && age[0] > log[p].age) || (age[1] != OLD && age[1] > log[p].age))
#else
#define may_write(slot, p) (slot.age == 0)
#define REPEATED 1
#endif

/* A request of nobody that can only be turned away is turned away at once: when it comes
 * makes no difference. */
inline drop_late(slot, hopeless) {
	if
	:: slot.is == LATE_ && (hopeless) ->
		printf("kafka: a late request of %d will be turned away\n", x);
		clear(slot); meet(LATE)
	:: else
	fi
}

inline turn_away() {
	x = 0;
	do
	:: x < 2 ->
		drop_late(to_data[x], !may_write(to_data[x], DATA));
		drop_late(to_offsets[x], !may_write(to_offsets[x], OFFSETS));
		drop_late(to_end[x], to_end[x].age > REPEATED);
#ifdef RESEND
		drop_late(data_again[x], !may_write(data_again[x], DATA));
		drop_late(end_again[x], end_again[x].age > REPEATED);
#endif
		x++
	:: else -> break
	od;
#ifdef TV1
	/* A leader that would take whatever there is may as well know nothing. */
	if
	:: !(client_newer(DATA) || newer(to_data[0], DATA) || newer(to_data[1], DATA)
#ifdef RESEND
		|| newer(data_again[0], DATA) || newer(data_again[1], DATA)
#endif
		) -> log[DATA].age = OLD
	:: else
	fi;
	if
	:: !(client_newer(OFFSETS) || newer(to_offsets[0], OFFSETS) || newer(to_offsets[1], OFFSETS)) -> log[OFFSETS].age = OLD
	:: else
	fi;
#endif
	x = 0
}

inline grow_older(slot) {
	if
	:: slot.is != FREE && slot.age < OLD -> slot.age++
	:: else
	fi
}

/* bump raises the epoch of a transactional id. */
inline bump(id) {
	x = 0;
	do
	:: x < 2 ->
		if
		:: ID(x) == id ->
			grow_older(to_data[x]);
			grow_older(to_offsets[x]);
			grow_older(to_end[x]);
#ifdef RESEND
			grow_older(data_again[x]);
			grow_older(end_again[x]);
#endif
			if :: age[x] < OLD -> age[x]++ :: else fi
		:: else
		fi;
#ifdef TV1
		if :: log[x].age < OLD -> log[x].age++ :: else fi;
#endif
		x++
	:: else -> break
	od;
	turn_away()
}

inline append(p, what_, who) {
	assert(log[p].n < ROOM);
	log[p].at[log[p].n].value = what_;
	log[p].at[log[p].n].id = who;
	log[p].at[log[p].n].fate = OPEN;
	log[p].n++
}

inline decide(p, who, what) {
	x = 0;
	do
	:: x < log[p].n ->
		if
		:: log[p].at[x].id == who && log[p].at[x].fate == OPEN -> log[p].at[x].fate = what
		:: else
		fi;
		x++
	:: else -> break
	od;
	x = 0
}

inline drop_first(p) {
	x = 0;
	do
	:: x + 1 < log[p].n ->
		log[p].at[x].value = log[p].at[x+1].value;
		log[p].at[x].id = log[p].at[x+1].id;
		log[p].at[x].fate = log[p].at[x+1].fate;
		x++
	:: else -> break
	od;
	log[p].n--;
	log[p].at[log[p].n].value = 0;
	log[p].at[log[p].n].id = 0;
	log[p].at[log[p].n].fate = 0;
	x = 0
}

inline stabilise_data() {
	do
	:: log[DATA].n > 0 && log[DATA].at[0].fate != OPEN ->
		if
		:: log[DATA].at[0].fate == COMMITTED ->
			assert_p1(log[DATA].at[0].value);
			published = log[DATA].at[0].value
		:: else
		fi;
		drop_first(DATA)
	:: else -> break
	od
#ifdef REACH
	;
	assert(!(met && published == N && (REACH != CRASHED || publishers == 3)))
#endif
}

inline stabilise_offsets() {
	do
	:: log[OFFSETS].n > 0 && log[OFFSETS].at[0].fate != OPEN ->
		if
		:: log[OFFSETS].at[0].fate == COMMITTED && log[OFFSETS].at[0].id != STRANGER ->
			if
			:: log[OFFSETS].at[0].value > CLAIMS -> claim = log[OFFSETS].at[0].value
			:: else -> cursor = log[OFFSETS].at[0].value
			fi
		:: else
		fi;
		drop_first(OFFSETS);
		if :: wait_for[0] > 0 -> wait_for[0]-- :: else fi;
		if :: wait_for[1] > 0 -> wait_for[1]-- :: else fi
	:: else -> break
	od
}

/* decided_cursor follows the records that a marker is about to commit. */
inline note_cursor(who) {
	x = 0;
	do
	:: x < log[OFFSETS].n ->
		if
		:: log[OFFSETS].at[x].id == who && log[OFFSETS].at[x].fate == OPEN && log[OFFSETS].at[x].value < CLAIMS ->
			decided_cursor = log[OFFSETS].at[x].value
		:: else
		fi;
		x++
	:: else -> break
	od;
	x = 0
}

/* complete ends a transaction whose markers are all written. */
inline complete(c) {
	if
	:: !c.has[DATA] && !c.has[OFFSETS] ->
		c.state = (c.state == PREPARE_COMMIT -> COMPLETE_COMMIT : COMPLETE_ABORT);
		assert_p2()
	:: else
	fi
}

inline mark_data(id) {
	printf("kafka: marker in the data partition, commit %d\n", co[id].state == PREPARE_COMMIT);
	decide(DATA, id, (co[id].state == PREPARE_COMMIT -> COMMITTED : CUT));
	co[id].has[DATA] = 0;
#ifdef TV1
	log[DATA].age = 0;
	turn_away();
#endif
	stabilise_data();
	complete(co[id])
}

inline mark_offsets(id) {
	printf("kafka: marker in the offsets partition, commit %d\n", co[id].state == PREPARE_COMMIT);
	if
	:: co[id].state == PREPARE_COMMIT -> note_cursor(id)
	:: else
	fi;
	decide(OFFSETS, id, (co[id].state == PREPARE_COMMIT -> COMMITTED : CUT));
	co[id].has[OFFSETS] = 0;
#ifdef TV1
	log[OFFSETS].age = 0;
	turn_away();
#endif
	stabilise_offsets();
	complete(co[id])
}

/* A reply is for who still waits for it. */
inline reply(slot, answer) {
	if
	:: slot.is == ASKED -> slot.is = answer
	:: else ->
		if :: answer == FAILED -> meet(LATE) :: else fi;
		clear(slot)
	fi
}

#define waiting(slot) (slot.is == ASKED || slot.is == LATE_)

/* Whether a produce can be judged now, and whether the producer may write. With KIP-890
 * the coordinator says so, and adds the partition; while markers are being written it
 * answers CONCURRENT_TRANSACTIONS, which is tried again. Before, a leader compares
 * epochs alone. */
#ifdef TV1
#define judged(i, slot) true
#else
#define judged(i, slot) (slot.age > 0 || !preparing(co[ID(i)]))
#endif

inline produce(i, asked, partition) {
	if
	:: may_write(asked, partition) ->
		printf("kafka: %d's produce to partition %d arrives: %d is appended\n", i, partition, asked.value);
#ifdef TV1
		log[partition].age = asked.age;
		turn_away();
#else
		co[ID(i)].state = ONGOING;
		co[ID(i)].has[partition] = 1;
#endif
		append(partition, asked.value, ID(i));
		reply(asked, OK)
	:: else ->
		printf("kafka: %d's produce to partition %d arrives: fenced\n", i, partition);
		reply(asked, FAILED)
	fi
}

/* The topic refuses a record, after the partition was added to the transaction. */
inline refuse(i, asked, partition) {
	refusals--;
	printf("kafka: %d's produce to partition %d is refused\n", i, partition);
#ifndef TV1
	co[ID(i)].state = ONGOING;
	co[ID(i)].has[partition] = 1;
#endif
	reply(asked, REFUSED)
}

/* EndTxn. The reply comes once the decision is durable; markers follow. One that comes
 * again is told the same, with KIP-890 by the epoch before the present one. */
#define end_judged(c, slot) (slot.age != REPEATED || !preparing(c))
#define end_repeats(c, slot) (slot.age == REPEATED && c.state == (slot.value -> COMPLETE_COMMIT : COMPLETE_ABORT))

inline end_txn(i, asked, c) {
	if
	:: asked.age == 0 && c.state == ONGOING ->
		printf("kafka: %d's EndTxn arrives (commit %d): decided\n", i, asked.value);
		c.state = (asked.value -> PREPARE_COMMIT : PREPARE_ABORT);
#ifdef REACH
		if :: REACH == CRASHED && asked.value && c.has[DATA] -> publishers = publishers | (1 << i) :: else fi;
#endif
#ifndef TV1
		bump(ID(i));
		asked.age = 0; /* the reply tells the new epoch */
#endif
		reply(asked, OK)
	:: end_repeats(c, asked) ->
		printf("kafka: %d's EndTxn arrives (commit %d): it is so already\n", i, asked.value);
		asked.age = 0;
		reply(asked, OK)
	:: else ->
		printf("kafka: %d's EndTxn arrives (commit %d): refused\n", i, asked.value);
		reply(asked, FAILED)
	fi
}

#ifdef RESEND
/* keep leaves a copy of a request under way, as a client does that sends it again over
 * another connection. */
inline keep(slot, copy) {
	if
	:: slot.is == ASKED -> copy.is = LATE_; copy.age = slot.age; copy.value = slot.value
	:: true
	fi
}
#else
#define keep(slot, copy) skip
#endif

/* What Kafka and the network do about the requests of instance i. Nothing here ever has
 * to happen: a request may be lost, and so may a reply. */
active [2] proctype requests() {
	byte i = _pid;
end:	do
	:: d_step { waiting(to_data[i]) && judged(i, to_data[i]) ->
		produce(i, to_data[i], DATA) }
	:: atomic { to_data[i].is == ASKED && refusals > 0 && judged(i, to_data[i]) && may_write(to_data[i], DATA) ->
		keep(to_data[i], data_again[i]);
		refuse(i, to_data[i], DATA) }
	:: d_step { waiting(to_offsets[i]) && judged(i, to_offsets[i]) ->
		produce(i, to_offsets[i], OFFSETS) }
	:: d_step { to_offsets[i].is == ASKED && refusals > 0 && judged(i, to_offsets[i]) && may_write(to_offsets[i], OFFSETS) ->
		refuse(i, to_offsets[i], OFFSETS) }
	:: atomic { waiting(to_end[i]) && end_judged(co[ID(i)], to_end[i]) ->
		keep(to_end[i], end_again[i]);
		end_txn(i, to_end[i], co[ID(i)]) }
#ifdef RESEND
	:: d_step { data_again[i].is == LATE_ && judged(i, data_again[i]) ->
		produce(i, data_again[i], DATA) }
	:: d_step { end_again[i].is == LATE_ && end_judged(co[ID(i)], end_again[i]) ->
		end_txn(i, end_again[i], co[ID(i)]) }
#endif
	od
}

/* Markers are written one partition after the other, some time after the decision; and
 * Kafka aborts what is open for too long, which may be at once. */
active proctype coordinator() {
end:	do
	:: d_step { preparing(co[0]) && co[0].has[DATA] -> mark_data(0) }
	:: d_step { preparing(co[0]) && co[0].has[OFFSETS] -> mark_offsets(0) }
#ifndef CALM
	:: d_step { co[0].state == ONGOING -> bump(0); co[0].state = PREPARE_ABORT; printf("kafka: the transaction takes too long, aborted\n"); meet(TIMEOUT) }
#endif
#ifdef NO_FENCE
	:: d_step { preparing(co[1]) && co[1].has[DATA] -> mark_data(1) }
	:: d_step { preparing(co[1]) && co[1].has[OFFSETS] -> mark_offsets(1) }
	:: d_step { co[1].state == ONGOING -> bump(1); co[1].state = PREPARE_ABORT; printf("kafka: the transaction takes too long, aborted\n"); meet(TIMEOUT) }
#endif
	od
}

/* ---- the connector --------------------------------------------------------------- */

#define START    0
#define LOOK     1
#define FENCE    2
#define TARGET   3
#define READ     4
#define CLAIM    5
#define NEXT     6
#define PRODUCED 7
#define ENDING   8

#ifdef FENCE_AFTER_READ
#define AFTER_LOOK  TARGET
#define AFTER_FENCE CLAIM
#define AFTER_READ  FENCE
#else
#define AFTER_LOOK  FENCE
#define AFTER_FENCE TARGET
#define AFTER_READ  CLAIM
#endif

/* What a variant with a longer memory does not forget when the lane is spent. */
#ifdef RETRY_AFTER_ENDTXN_ERROR
#define remembers(at) (at == ENDING && owned)
#else
#ifdef KEEP_MEMORY
#define remembers(at) (at == PRODUCED && owned)
#else
#define remembers(at) false
#endif
#endif

/* The two halves of a batch that is not committed as one. */
#define BOTH   0
#define FIRST  1
#define SECOND 2
#ifdef CURSOR_FIRST
#define WHOLE FIRST
#define has_data(h)   (h == SECOND)
#define has_cursor(h) (h == FIRST)
#else
#ifdef DATA_FIRST
#define WHOLE FIRST
#define has_data(h)   (h == FIRST)
#define has_cursor(h) (h == SECOND)
#else
#define WHOLE BOTH
#define has_data(h)   true
#define has_cursor(h) true
#endif
#endif

inline ask(slot, v) {
	slot.is = ASKED;
	slot.age = age[i];
	slot.value = v
}

inline abandon(slot) {
	if
	:: slot.is == ASKED -> slot.is = LATE_
	:: slot.is == LATE_
	:: else -> clear(slot)
	fi
}

/* close: the requests under way are nobody's from here on. */
inline close() {
	abandon(to_data[i]);
	abandon(to_offsets[i]);
	abandon(to_end[i]);
	wait_for[i] = 0;
	age[i] = OLD;
	turn_away();
	pc = START
}

inline forget() {
	memory = 0;
	half = WHOLE
}

/* spend: an outcome that is not certainly "nothing" makes the lane worthless. */
inline spend() {
	printf("instance %d: the lane is spent\n", i);
	if
	:: remembers(pc) -> kept = true
	:: else -> kept = false; forget()
	fi;
	close()
}

/* The claims of the run that ends are another's from here on. */
inline disown() {
	x = 0;
	do
	:: x < log[OFFSETS].n ->
		if :: log[OFFSETS].at[x].value == CLAIM_OF(i) -> log[OFFSETS].at[x].value = ANOTHERS :: else fi;
		x++
	:: else -> break
	od;
	x = 0;
	if :: claim == CLAIM_OF(i) -> claim = ANOTHERS :: else fi;
	if :: to_offsets[i].value == CLAIM_OF(i) -> to_offsets[i].value = ANOTHERS :: else fi
}

/* Whether this instance's own claim is there and not stable yet: then the stable one is
 * that which it took the place of. The code compares with the latter, whole. */
inline find_own() {
	unstable = false;
#ifndef STABLE_CLAIM
	do
	:: x < log[OFFSETS].n ->
		if :: log[OFFSETS].at[x].value == CLAIM_OF(i) -> unstable = true :: else fi;
		x++
	:: else -> break
	od;
	x = 0
#endif
}

/* An instance that ends because of another's claim has lost the lane to it, and does not
 * read an older claim because its own is not stable yet. */
inline assert_fenced() {
#ifdef TRUE_FENCE
	do
	:: x < log[OFFSETS].n -> assert(log[OFFSETS].at[x].value != CLAIM_OF(i)); x++
	:: else -> break
	od;
	x = 0
#else
	skip
#endif
}

/* crash is also how an instance ends that was fenced; whoever supervises it starts it
 * again, or never does. */
inline crash() {
	forget();
	kept = false;
	owned = false;
	disown();
	close()
}

/* begin starts a transaction. With the older protocol its partitions are added to it
 * first, each of them, by a request that has an answer before the produce is sent. */
#ifdef TV1
#define may_begin (age[i] > 0 || !preparing(co[ID(i)]))
inline begin(with_data, with_offsets) {
	if
	:: age[i] == 0 ->
		co[ID(i)].state = ONGOING;
		co[ID(i)].has[DATA] = with_data;
		co[ID(i)].has[OFFSETS] = with_offsets
	:: else -> failed = true
	fi
}
#else
#define may_begin true
inline begin(with_data, with_offsets) { skip }
#endif

#define unanswered(slot) (slot.is == ASKED)
#define went_wrong(slot) (slot.is == REFUSED || slot.is == FAILED)

active [2] proctype instance() {
	byte i = _pid - 3; /* after requests and coordinator */
	byte pc = START;
	bool owned;       /* this process has held the lane before */
	byte memory;      /* the cursor that the pollers go on from */
	byte half = WHOLE;
	bool kept;        /* only in a wrong variant: memory outlived the lane */
	bool commit;      /* what EndTxn asks for */
	bool claiming;    /* the transaction under way is the claim's */
	bool failed;

	do
	:: pc == START && acquires == 0 -> break
	:: d_step { pc == START && acquires > 0 && (i == 0 || acquires < ACQUIRES) ->
		acquires--;
		printf("instance %d: acquires the lane\n", i);
		pc = (kept -> FENCE : LOOK) }

	/* ---- acquire ---- */

	:: d_step { pc == LOOK ->
		find_own();
		if
		:: owned && claim != 0 && claim != CLAIM_OF(i) && !unstable -> meet(TAKEN); assert_fenced(); printf("instance %d: reads another's claim and ends\n", i); crash()
		:: else -> pc = AFTER_LOOK
		fi }

	/* InitProducerID: an open transaction of the predecessor is aborted, under a newer
	 * epoch; while a decided one is not complete the answer is CONCURRENT_TRANSACTIONS. */
	:: d_step { pc == FENCE && co[ID(i)].state == ONGOING ->
		printf("instance %d: InitProducerID aborts the open transaction\n", i);
		bump(ID(i));
		co[ID(i)].state = PREPARE_ABORT }
	:: d_step { pc == FENCE && co[ID(i)].state != ONGOING && !preparing(co[ID(i)]) ->
		printf("instance %d: InitProducerID, a new epoch\n", i);
		bump(ID(i));
		co[ID(i)].state = EMPTY;
		age[i] = 0;
		pc = (kept -> NEXT : AFTER_FENCE) }

	:: d_step { pc == TARGET ->
#ifndef READ_LSO
		wait_for[i] = log[OFFSETS].n;
#endif
		if
		:: wait_for[i] > 0 && log[OFFSETS].at[0].id == STRANGER && cursor != decided_cursor -> meet(HIDDEN)
		:: else
		fi;
		printf("instance %d: high watermark, %d records below it are not stable\n", i, wait_for[i]);
		pc = READ }

	:: d_step { pc == READ && wait_for[i] == 0 ->
		memory = cursor;
		printf("instance %d: has read cursor %d\n", i, memory);
		pc = AFTER_READ }

	:: d_step { pc == CLAIM && may_begin ->
		begin(0, 1);
		if
		:: failed -> failed = false; spend()
		:: else ->
			ask(to_offsets[i], CLAIM_OF(i));
			claiming = true;
			printf("instance %d: begins its claim\n", i);
			pc = PRODUCED
		fi }

	/* ---- commits ---- */

	:: d_step { pc == NEXT && memory < N && may_begin ->
		begin(has_data(half), has_cursor(half));
		if
		:: failed -> failed = false; spend()
		:: else ->
			printf("instance %d: begins version %d\n", i, memory + 1);
			if :: has_data(half) -> ask(to_data[i], memory + 1) :: else fi;
			if :: has_cursor(half) -> ask(to_offsets[i], memory + 1) :: else fi;
			pc = PRODUCED
		fi }

	/* Flush has returned: every promise is kept or broken. Only what a data topic
	 * refused, and nothing else, can be aborted with the client going on. */
	:: d_step { pc == PRODUCED && !unanswered(to_data[i]) && !unanswered(to_offsets[i]) ->
		if
#ifndef COMMIT_FAILED_PRODUCE
		:: to_data[i].is == FAILED || went_wrong(to_offsets[i]) -> claiming = false; spend()
		:: to_data[i].is == REFUSED && !went_wrong(to_offsets[i]) -> commit = false; pc = ENDING
#else
		:: false
#endif
		:: else -> commit = true; pc = ENDING
		fi;
		if
		:: pc == ENDING ->
			clear(to_data[i]);
			clear(to_offsets[i]);
			ask(to_end[i], commit);
			printf("instance %d: EndTxn (commit %d)\n", i, commit)
		:: else
		fi }

	:: d_step { pc == ENDING && to_end[i].is == OK ->
#ifndef TV1
		age[i] = to_end[i].age;
#endif
		clear(to_end[i]);
		printf("instance %d: the transaction has ended (commit %d)\n", i, commit);
		if
		:: !commit -> meet(ABORTED)
		:: commit && claiming -> claiming = false; owned = true
		:: commit && !claiming && half == FIRST -> half = SECOND
		:: else -> half = WHOLE; memory++
		fi;
		commit = false;
		pc = NEXT }
	:: d_step { pc == ENDING && to_end[i].is == FAILED ->
		commit = false; claiming = false;
		spend() }

#ifndef CALM
	/* The client gives up a request, whether or not it is answered. */
	:: d_step { pc == PRODUCED -> claiming = false; spend() }
	:: d_step { pc == ENDING && to_end[i].is != FAILED ->
		if
		:: to_end[i].is == OK && commit && !claiming -> meet(UNKNOWN)
		:: else
		fi;
		commit = false; claiming = false;
		spend() }

	/* A crash before there is anything to lose changes nothing. */
	:: d_step { pc > FENCE ->
		if :: co[ID(i)].state == ONGOING && age[i] == 0 -> meet(CRASHED) :: else fi;
		commit = false; claiming = false;
		printf("instance %d: crashes\n", i);
		crash() }
#endif
#ifdef CALM
	:: pc == NEXT && memory == N -> break
#endif
	od
}

#ifdef CALM
/* When nothing more can happen, everything is published, unless the instances have
 * fenced each other for as often as they may. */
active proctype finale() { timeout -> assert(published == N || acquires == 0) }
#endif

#ifdef FOREIGN
/* One transaction of another transactional id in the same partition. How it ends is
 * nothing to us, but while it is open nothing above it is stable. */
active proctype foreign() {
end:	d_step { append(OFFSETS, 0, STRANGER); printf("stranger: open transaction in the offsets partition\n") };
	d_step { printf("stranger: its transaction ends\n"); decide(OFFSETS, STRANGER, COMMITTED); stabilise_offsets() }
}
#endif
