package verify

import "tributary/offsets"

// The checks, by the names that a Finding has.
const (
	// CheckDecode: a record of the offsets topic that cannot be read.
	CheckDecode = "decode"
	// CheckLayout: the lanes are not as the config says.
	CheckLayout = "layout"
	// CheckState: a collection without a state although it was published, or with half a
	// one.
	CheckState = "state"
	// CheckSum: a ledger that does not add up to the sum in its state.
	CheckSum = "sum"
	// CheckTopic: a data topic that is not the one that the state belongs to.
	CheckTopic = "topic"
	// CheckHeaders: headers that are missing, malformed, or of another record.
	CheckHeaders = "headers"
	// CheckDigest: a value that has not the digest in its headers.
	CheckDigest = "digest"
	// CheckOrder: a record that does not come after the one before it.
	CheckOrder = "order"
	// CheckAhead: a record of a batch that the state does not know of.
	CheckAhead = "ahead"
	// CheckBatch: a batch of which records are missing.
	CheckBatch = "batch"
	// CheckPartition: a key in a partition where it does not belong.
	CheckPartition = "partition"
	// CheckMissing: a key in the ledger and not in the topic.
	CheckMissing = "missing"
	// CheckExtra: a key in the topic and not in the ledger.
	CheckExtra = "extra"
	// CheckDiffers: a key whose version in the topic is not the ledger's.
	CheckDiffers = "differs"

	// Those of a comparison with the source begin with "source-".

	// CheckSourceUnpublished: a record at the source that was not published.
	CheckSourceUnpublished = "source-unpublished"
	// CheckSourceOlder: a record published in an older version than the source shows.
	CheckSourceOlder = "source-older"
	// CheckSourceNewer: a record published in a newer version than the source shows.
	CheckSourceNewer = "source-newer"
	// CheckSourceDiffers: a record published with the source's stamp and other fields.
	CheckSourceDiffers = "source-differs"
	// CheckSourceDeleted: a record that the source shows as deleted, published alive.
	CheckSourceDeleted = "source-deleted"
	// CheckSourceGone: a published record that the source does not show.
	CheckSourceGone = "source-gone"
)

// A Report is all that was found. Its JSON is stable: fields may be added.
type Report struct {
	// OK says that nothing was found; Failed counts collections that could not be
	// looked at, which are not OK either.
	OK     bool `json:"ok"`
	Failed int  `json:"failed"`
	// Offsets is the offsets topic.
	Offsets     string        `json:"offsets_topic"`
	Lanes       []*Lane       `json:"lanes"`
	Collections []*Collection `json:"collections"`
	// Findings are listed up to the limit for each check of a collection; Counts are of
	// all of them, by check.
	Findings []Finding      `json:"findings"`
	Counts   map[string]int `json:"counts"`
	// Proved and NotProved say in words what the report is worth.
	Proved    []string `json:"proved"`
	NotProved []string `json:"not_proved"`
	Took      float64  `json:"took_seconds"`
}

// A Lane is what was read of one partition of the offsets topic.
type Lane struct {
	Lane int32 `json:"lane"`
	// Records were read up to the consistent point at Offset.
	Records int   `json:"records"`
	Offset  int64 `json:"offset"`
}

// A Collection is what was looked at of one collection.
type Collection struct {
	Source     string `json:"source"`
	Collection string `json:"collection"`
	Topic      string `json:"topic"`
	Lane       int32  `json:"lane"`
	// Seq is the number of the last batch at the consistent point.
	Seq uint64 `json:"seq"`
	// Live, Marks and Doubts are the ledger's there.
	Live   int `json:"live"`
	Marks  int `json:"marks"`
	Doubts int `json:"doubts"`
	// Records were read of the data topic, of which Tombstones have no value.
	Records    int `json:"records"`
	Tombstones int `json:"tombstones"`
	// Renamed of the records were published under another name of the collection.
	Renamed int `json:"renamed"`
	// Agreed are the live keys in which the topic and the ledger agree, there or a little
	// later; of these NotCompared were hashed otherwise, so that only their presence counts.
	Agreed      int `json:"agreed"`
	NotCompared int `json:"not_compared"`
	// Pending are live keys that wait to be published again, as was asked for.
	Pending int `json:"pending"`
	// Changed are keys that changed so often meanwhile that they were not judged;
	// ChangedKeys lists them up to the limit.
	Changed     int      `json:"changed_while_verifying"`
	ChangedKeys []string `json:"changed_keys,omitempty"`
	// Whole are batches that have all their records, Unjudged those beside which the log
	// has gaps.
	Whole    int `json:"batches_whole"`
	Unjudged int `json:"batches_unjudged"`
	// Against is what a comparison with the source came to.
	Against *Against `json:"against_source,omitempty"`
	// Notes are things to know that are no findings.
	Notes []string `json:"notes,omitempty"`
	// Error says why the collection could not be looked at.
	Error string `json:"error,omitempty"`
	// Found counts findings by check.
	Found map[string]int `json:"found"`
	Took  float64        `json:"took_seconds"`

	report *Report
	limit  int
}

// Against is what a comparison of a collection with its source came to.
type Against struct {
	// Shown are the live records that the source showed, Equal those that are published
	// just so.
	Shown int `json:"shown"`
	Equal int `json:"equal"`
	// NotCompared of these were hashed otherwise: their stamps are equal.
	NotCompared int `json:"not_compared"`
	// Changed differ and changed meanwhile, or are too young to be told, or in doubt.
	Changed int `json:"changed_meanwhile"`
	// Whole says that the source was shown to its end.
	Whole bool `json:"whole"`
	// Began is the source's clock when it was asked first.
	Began string `json:"began"`
}

// A Finding is one thing that does not agree. Offset is -1 where there is none.
type Finding struct {
	Check      string `json:"check"`
	Source     string `json:"source,omitempty"`
	Collection string `json:"collection,omitempty"`
	Topic      string `json:"topic,omitempty"`
	Partition  int32  `json:"partition"`
	Offset     int64  `json:"offset"`
	Key        string `json:"key,omitempty"`
	What       string `json:"what"`
}

// nowhere is the place of a finding that is about no one record.
const nowhere = -1

// Name returns SOURCE.COLLECTION.
func (c *Collection) Name() string {
	return offsets.Name{Source: c.Source, Collection: c.Collection}.String()
}

// Findings returns how many things were found of the collection.
func (c *Collection) Findings() (n int) {
	for _, k := range c.Found {
		n += k
	}
	return n
}

// find counts a finding, and lists it unless there are many.
func (c *Collection) find(check string, partition int32, offset int64, key, what string) {
	c.Found[check]++
	c.report.Counts[check]++
	if c.Found[check] > c.limit {
		return
	}
	c.report.Findings = append(c.report.Findings, Finding{
		Check: check, Source: c.Source, Collection: c.Collection, Topic: c.Topic,
		Partition: partition, Offset: offset, Key: key, What: what,
	})
}

func (c *Collection) note(text string) { c.Notes = append(c.Notes, text) }
