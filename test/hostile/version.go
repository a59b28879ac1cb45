package hostile

import "time"

// Op is what a write does to a record.
type Op string

// The writes of a record.
const (
	Insert   Op = "insert"
	Update   Op = "update"   // new content
	Revert   Op = "revert"   // the content of an earlier version
	Touch    Op = "touch"    // nothing but the fields of Excluded
	Delete   Op = "delete"   // deleted_at is set; the record stays listed
	Undelete Op = "undelete" // deleted_at is null again, with the content of before
	Remove   Op = "remove"   // the record is listed no more
	Restore  Op = "restore"  // a removed record is listed again, as it was
)

// Excluded returns the fields that a touch changes, to be excluded from a hash.
func Excluded() []string { return []string{"updated_at", "touched_at", "ver"} }

// Version is one version of one record.
type Version struct {
	Collection, ID string
	// Ver counts the versions of the record from 1 in the order in which they turn
	// visible. It stands in the body as "ver".
	Ver int64
	Op  Op
	// Stamp is the updated_at that the body shows.
	Stamp time.Time
	// VisibleFrom is when readers see it, by the API's clock.
	VisibleFrom time.Time
	// Deleted says that the record is deleted in this version; Gone, that it is not
	// even listed, and then there is no body.
	Deleted, Gone bool
	// Content numbers what the fields outside Excluded hold: two versions of a record
	// that are not deleted and have the same number differ in nothing else.
	Content int64
	// Body is the record's JSON, byte by byte. It is not to be changed.
	Body []byte
	// Served counts the whole answers that showed this version.
	Served int

	rec     *record
	order   int64 // the stamp that filter and order use, in microseconds
	visible int64 // VisibleFrom in microseconds
}

// record is one record with all its versions, of which the first applied are visible.
type record struct {
	num      int64
	id       string
	idJSON   string
	created  string
	versions []*Version
	applied  int
}

func (r *record) latest() *Version { return r.versions[len(r.versions)-1] }

// at returns the version that was visible at the instant t, nil if there was none.
func (r *record) at(t int64) *Version {
	for i := r.applied - 1; i >= 0; i-- {
		if v := r.versions[i]; v.visible <= t {
			if v.Gone {
				return nil
			}
			return v
		}
	}
	return nil
}

// Lookup returns one version of a record.
func (a *API) Lookup(collection, id string, ver int64) (Version, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.find(collection, id)
	if r == nil || ver < 1 || ver > int64(len(r.versions)) {
		return Version{}, false
	}
	return *r.versions[ver-1], true
}

// Versions returns every version of a record in order, also those not visible yet.
func (a *API) Versions(collection, id string) []Version {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.find(collection, id)
	if r == nil {
		return nil
	}
	return values(r.versions)
}

// History returns every version of a collection in the order of the writes.
func (a *API) History(collection string) []Version {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.collections[collection]
	if c == nil {
		return nil
	}
	return values(c.history)
}

// Truth returns what is visible now, deleted records that are still listed included.
func (a *API) Truth(collection string) map[string]Version {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settle()
	c := a.collections[collection]
	if c == nil {
		return nil
	}
	truth := make(map[string]Version, len(c.records))
	for _, r := range c.records {
		if r.applied == 0 {
			continue
		}
		if v := r.versions[r.applied-1]; !v.Gone {
			truth[r.id] = *v
		}
	}
	return truth
}

func values(vs []*Version) []Version {
	out := make([]Version, len(vs))
	for i, v := range vs {
		out[i] = *v
	}
	return out
}
