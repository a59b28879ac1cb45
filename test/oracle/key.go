package oracle

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/test/hostile"
)

// key is what was published under one key so far.
type key struct {
	partition int32
	last      state
	// published are the versions published live, reach is the newest of all that
	// was published, deletions included.
	published []int64
	reach     int64
	// misled is the limit by which last is older than reach.
	misled Limit
}

// state is one version, or one deletion, as it was published.
type state struct {
	offset            int64
	ver, content      int64
	dead, gone        bool
	fingerprint, hash string
}

func (k *key) live() bool { return k.last.ver != 0 && !k.last.dead }

// judgeRecord judges one data record against what was published under its key.
func (o *Oracle) judgeRecord(t *topic, r *kgo.Record, h headers) {
	id := string(r.Key)
	k := t.keys[id]
	if k == nil {
		k = &key{partition: r.Partition}
		t.keys[id] = k
	}
	if k.partition != r.Partition {
		o.report(Split, r, "also in partition %d", k.partition)
		k.partition = r.Partition // tell once for each move
	}
	if r.Value == nil {
		o.judgeTombstone(t, k, r, h)
		return
	}
	v, ok := o.identify(t, r)
	if !ok {
		return
	}
	if !h.time.IsZero() && !h.time.Equal(v.Stamp) {
		o.report(Header, r, "ce_time %s of a version stamped %s", h.time, v.Stamp)
	}
	next := state{
		offset: r.Offset, ver: v.Ver, content: v.Content,
		fingerprint: h.fingerprint, hash: h.hash,
	}
	if k.live() && h.hash != "" && h.fingerprint == k.last.fingerprint && (h.hash == k.last.hash) != (v.Content == k.last.content) {
		o.report(Header, r, "tributary_hash of versions %d and %d does not tell their contents apart, or parts equal ones", k.last.ver, v.Ver)
	}
	if v.Deleted {
		o.report(Resurrected, r, "version %d is deleted and was published alive", v.Ver)
	}
	o.judgeOrder(t, k, r, next, v)
	k.published = append(k.published, v.Ver)
	k.moveTo(next)
}

// identify finds the version that a value is.
func (o *Oracle) identify(t *topic, r *kgo.Record) (hostile.Version, bool) {
	var claims struct {
		Ver int64 `json:"ver"`
	}
	if err := json.Unmarshal(r.Value, &claims); err != nil {
		o.report(Fabricated, r, "the value is no record of the API: %v", err)
		return hostile.Version{}, false
	}
	v, ok := o.cfg.API.Lookup(t.collection, string(r.Key), claims.Ver)
	if !ok {
		o.report(Fabricated, r, "the API never had a version %d of this record", claims.Ver)
		return v, false
	}
	switch {
	case !bytes.Equal(v.Body, r.Value):
		o.report(Fabricated, r, "the value differs from version %d: %.200q is not %.200q", v.Ver, r.Value, v.Body)
	case v.Served == 0:
		o.report(Fabricated, r, "version %d was served in no whole answer", v.Ver)
	}
	return v, true
}

// judgeOrder judges a live version that comes after what k holds.
func (o *Oracle) judgeOrder(t *topic, k *key, r *kgo.Record, next state, v hostile.Version) {
	last := k.last
	if k.live() && last.ver != next.ver && last.content == next.content {
		if last.fingerprint != next.fingerprint && next.ver > k.reach {
			o.found.allowed[Rehashed]++
			return
		}
		o.report(Touch, r, "version %d differs from version %d only in excluded fields", next.ver, last.ver)
	}
	if next.ver > k.reach {
		return
	}
	if next.ver > last.ver && k.misled != "" {
		o.found.allowed[k.misled]++
		return
	}
	if next.ver < last.ver {
		if limit, ok := o.excuse(t, r, last, v); ok {
			k.misled = limit
			o.found.allowed[limit]++
			return
		}
	}
	again := slices.Contains(k.published, next.ver)
	if again {
		o.report(Twice, r, "version %d again", next.ver)
	}
	switch {
	case last.dead && next.ver < last.ver:
		o.report(Resurrected, r, "version %d after the tombstone of version %d", next.ver, last.ver)
	case !again:
		o.report(Reordered, r, "version %d after version %d", next.ver, k.reach)
	}
}

// moveTo makes next what the key holds.
func (k *key) moveTo(next state) {
	k.last = next
	if next.ver > k.reach {
		k.reach = next.ver
		k.misled = ""
	}
}

// excuse says whether lagging replicas can make a connector publish v after the
// newer last: it may hold any version with last's content that somebody was shown,
// and believes v if v's stamp is not older.
func (o *Oracle) excuse(t *topic, r *kgo.Record, last state, v hostile.Version) (Limit, bool) {
	if last.gone || o.cfg.API.Fired()["stale"] == 0 {
		return "", false
	}
	excused := false
	for _, u := range o.cfg.API.Versions(t.collection, string(r.Key)) {
		same := u.Deleted == last.dead && (last.dead || u.Content == last.content)
		if u.Ver <= v.Ver || !same || u.Served == 0 || u.Stamp.After(v.Stamp) {
			continue
		}
		if u.Stamp.Equal(v.Stamp) {
			return SameTick, true
		}
		excused = true
	}
	return NewerStamp, excused
}
