package oracle

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/test/hostile"
)

// judgeTombstone judges a deletion after what k holds.
func (o *Oracle) judgeTombstone(t *topic, k *key, r *kgo.Record, h headers) {
	switch {
	case k.last.dead:
		o.report(Twice, r, "a tombstone behind a tombstone")
		return
	case !k.live() && !o.cfg.Compacted:
		o.report(Fabricated, r, "a tombstone of a record that was never published")
		return
	}
	versions := o.cfg.API.Versions(t.collection, string(r.Key))
	d, limit, found := o.deletion(t, k, r, h, versions)
	if !found {
		if i := lastDeletion(versions, k.last.ver); i >= 0 {
			o.report(Reordered, r, "the deletion of version %d after version %d", versions[i].Ver, k.last.ver)
		} else {
			o.report(Fabricated, r, "the record was never deleted")
		}
		// Deleted it is, for the reader; as if the deletion followed at once.
		k.last.dead, k.last.offset = true, r.Offset
		return
	}
	if limit != "" {
		k.misled = limit
		o.found.allowed[limit]++
	}
	k.moveTo(state{offset: r.Offset, ver: d.Ver, content: d.Content, dead: true, gone: d.Gone})
}

// deletion finds the deletion that a tombstone stands for. It does not say itself, so
// the least suspicious one is taken: the first after the version published last that
// has the tombstone's time; else, where replicas lag, an older one of that time whose
// stamp excuses it; else the first of any time, for a deletion that was found by its
// absence has no stamp.
func (o *Oracle) deletion(t *topic, k *key, r *kgo.Record, h headers, versions []hostile.Version) (d hostile.Version, limit Limit, found bool) {
	first := -1
	for i, v := range versions {
		if v.Ver <= k.last.ver || !v.Deleted || v.Served == 0 && !v.Gone {
			continue
		}
		if first < 0 {
			first = i
		}
		if v.Stamp.Equal(h.time) {
			return v, k.wayBack(v), true
		}
	}
	for i := len(versions) - 1; i >= 0; i-- {
		v := versions[i]
		if v.Ver >= k.last.ver || !v.Deleted || v.Served == 0 || !v.Stamp.Equal(h.time) {
			continue
		}
		if limit, ok := o.excuse(t, r, k.last, v); ok {
			return v, limit, true
		}
	}
	if first >= 0 {
		return versions[first], k.wayBack(versions[first]), true
	}
	return hostile.Version{}, "", false
}

// wayBack returns the limit under which a deletion after the version published last,
// but not after the newest ever published, is allowed; none if it is the newest.
func (k *key) wayBack(d hostile.Version) Limit {
	if d.Ver <= k.reach {
		return k.misled
	}
	return ""
}

// lastDeletion returns the index of the last deletion before ver, -1 if none.
func lastDeletion(versions []hostile.Version, ver int64) int {
	for i := len(versions) - 1; i >= 0; i-- {
		if versions[i].Ver < ver && versions[i].Deleted {
			return i
		}
	}
	return -1
}
