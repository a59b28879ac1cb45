package offsets

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"tributary/connector"
)

const version = "v1"

// kinds of records.
const (
	kindLayout  = "layout"
	kindClaim   = "claim"
	kindState   = "state"
	kindEntry   = "entry"
	kindDoubt   = "doubt"
	kindReceipt = "receipt"
	kindAuth    = "auth"
	kindHandler = "handler"
	kindHold    = "hold"
)

// Name is a collection of a source.
type Name struct{ Source, Collection string }

func (n Name) String() string { return n.Source + "." + n.Collection }

// Claim says who owns a lane.
type Claim struct {
	// Instance is the owner's name, Run a number drawn when its process started.
	Instance string
	Run      string
	At       connector.Instant
	// Visit is the claim of a command that writes and leaves; Released says that it
	// has left.
	Visit, Released bool
	// Written is the record's timestamp by the producer's clock; not part of the value.
	Written time.Time
}

// Layout says how sources map to lanes.
type Layout struct {
	Lanes int
	Hash  string
}

// Identity is the data topic that a state belongs to. A topic that was deleted and
// made again has another id; one with more partitions has its keys elsewhere.
type Identity struct {
	Topic      string
	ID         [16]byte
	Partitions int32
}

// State is the state record of a collection.
type State struct {
	connector.State
	Identity
	Instance string
	Sum      Sum
	// Partial names the command that is in the middle of changing everything; empty: the
	// state can be gone on from.
	Partial string
}

// key returns the key of a record. Names and ids are texts from outside: JSON keeps
// them apart whatever they hold.
func key(parts ...string) []byte {
	b := []byte(`["` + version + `"`)
	for _, p := range parts {
		b = appendQuoted(append(b, ','), p)
	}
	return append(b, ']')
}

// appendQuoted appends p as JSON text. Almost every id is plain ASCII.
func appendQuoted(b []byte, p string) []byte {
	for i := 0; i < len(p); i++ {
		if c := p[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return append(b, quoteSlow(p)...)
		}
	}
	b = append(b, '"')
	b = append(b, p...)
	return append(b, '"')
}

func quoteSlow(p string) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		panic(err) // a string always encodes
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// parseKey takes a key apart: its kind and what follows.
func parseKey(k []byte) (kind string, rest []string, err error) {
	var parts []string
	if err := json.Unmarshal(k, &parts); err != nil {
		return "", nil, fmt.Errorf("key %.80q is not a JSON array of texts: it was written by something else", k)
	}
	if len(parts) < 2 {
		return "", nil, fmt.Errorf("key %.80q is too short: it was written by something else", k)
	}
	if parts[0] != version {
		return "", nil, fmt.Errorf("key %.80q has version %q, this program knows %q: use the program that wrote it, or a newer one", k, parts[0], version)
	}
	want := map[string]int{kindLayout: 2, kindClaim: 2, kindAuth: 3, kindHandler: 3, kindHold: 4, kindState: 4, kindEntry: 5, kindDoubt: 5, kindReceipt: 5}[parts[1]]
	if want == 0 {
		return "", nil, fmt.Errorf("key %.80q is of a kind that this program does not know: use the program that wrote it, or a newer one", k)
	}
	if len(parts) != want {
		return "", nil, fmt.Errorf("key %.80q has %d elements instead of %d", k, len(parts), want)
	}
	return parts[1], parts[2:], nil
}

const entrySize = 28

func appendEntry(b []byte, e connector.Entry) []byte {
	flags := byte(0)
	if e.Mark {
		flags = 1
	}
	b = append(b, 1, flags)
	b = binary.BigEndian.AppendUint16(b, e.Print)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Instant))
	return append(b, e.Hash[:]...)
}

func parseEntry(v []byte) (connector.Entry, error) {
	switch {
	case len(v) == 0:
		return connector.Entry{}, fmt.Errorf("entry is empty")
	case v[0] != 1:
		return connector.Entry{}, fmt.Errorf("entry has version %d, this program knows 1: use the program that wrote it, or a newer one", v[0])
	case len(v) != entrySize:
		return connector.Entry{}, fmt.Errorf("entry is %d bytes long instead of %d", len(v), entrySize)
	case v[1] > 1:
		return connector.Entry{}, fmt.Errorf("entry has flags %#x, this program knows 1", v[1])
	}
	e := connector.Entry{
		Mark:    v[1] == 1,
		Print:   binary.BigEndian.Uint16(v[2:]),
		Instant: connector.Instant(binary.BigEndian.Uint64(v[4:])),
	}
	copy(e.Hash[:], v[12:])
	if e.Mark && e.Hash != (connector.Hash{}) {
		return e, fmt.Errorf("entry is a mark with a hash")
	}
	return e, nil
}

// The JSON forms.
type (
	layoutJSON struct {
		V     int    `json:"v"`
		Lanes int    `json:"lanes"`
		Hash  string `json:"hash"`
	}
	claimJSON struct {
		V        int         `json:"v"`
		Instance string      `json:"instance"`
		Run      string      `json:"run"`
		At       instantText `json:"at"`
		Visit    bool        `json:"visit"`
		Released bool        `json:"released"`
	}
	doubtJSON struct {
		V      int         `json:"v"`
		Since  instantText `json:"since"`
		At     instantText `json:"at"`
		Absent bool        `json:"absent"`
		Twice  bool        `json:"twice"`
	}
	printJSON struct {
		Number uint16 `json:"number"`
		connector.Fingerprint
	}
	stateJSON struct {
		V          int         `json:"v"`
		Cursor     string      `json:"cursor"`
		CursorAt   instantText `json:"cursor_at"`
		Trailing   instantText `json:"trailing"`
		Lookback   string      `json:"lookback"`
		Floor      instantText `json:"floor"`
		Sweep      *sweepJSON  `json:"sweep,omitempty"`
		Feed       *feedJSON   `json:"feed,omitempty"`
		Prints     []printJSON `json:"prints"`
		Topic      string      `json:"topic"`
		TopicID    string      `json:"topic_id"`
		Partitions int32       `json:"partitions"`
		Instance   string      `json:"instance"`
		Seq        uint64      `json:"seq"`
		Sum        string      `json:"sum"`
		Partial    string      `json:"partial,omitempty"`
		Reasons    string      `json:"reasons,omitempty"`
		Ran        instantText `json:"ran,omitzero"`
	}
)

// instantText is an instant as JSON text.
type instantText connector.Instant

func (t instantText) MarshalText() ([]byte, error) { return []byte(connector.Instant(t).String()), nil }

func (t *instantText) UnmarshalText(b []byte) error {
	i, err := connector.ParseInstant(string(b))
	*t = instantText(i)
	return err
}

func encodeLayout(l Layout) []byte { return mustJSON(layoutJSON{V: 1, Lanes: l.Lanes, Hash: l.Hash}) }

func encodeClaim(c Claim) []byte {
	return mustJSON(claimJSON{V: 1, Instance: c.Instance, Run: c.Run, At: instantText(c.At), Visit: c.Visit, Released: c.Released})
}

func encodeDoubt(d connector.Doubt) []byte { return mustJSON(toDoubtJSON(d)) }

func toDoubtJSON(d connector.Doubt) doubtJSON {
	return doubtJSON{V: 1, Since: instantText(d.Since), At: instantText(d.At), Absent: d.Absent, Twice: d.Twice}
}

func encodeState(s State) []byte { return mustJSON(toStateJSON(s)) }

func toStateJSON(s State) stateJSON {
	j := stateJSON{
		V: 1, Cursor: s.Cursor.Text, CursorAt: instantText(s.Cursor.Instant), Trailing: instantText(s.Trailing),
		Lookback: s.Lookback.String(), Floor: instantText(s.Floor), Topic: s.Topic, TopicID: hex.EncodeToString(s.ID[:]),
		Partitions: s.Partitions, Instance: s.Instance, Seq: s.Seq, Sum: s.Sum.String(), Partial: s.Partial,
		Reasons: s.Reasons, Ran: instantText(s.Ran),
	}
	if s.Feed != (connector.Track{}) {
		j.Feed = &feedJSON{s.Feed.Cursor.Text, instantText(s.Feed.Cursor.Instant), instantText(s.Feed.Trailing)}
	}
	if s.Sweep != (connector.Sweep{}) {
		j.Sweep = toSweepJSON(s.Sweep)
	}
	for _, p := range s.Prints {
		j.Prints = append(j.Prints, printJSON(p))
	}
	return j
}

func decodeLayout(v []byte) (Layout, error) {
	var j layoutJSON
	err := strictJSON(v, &j)
	return Layout{Lanes: j.Lanes, Hash: j.Hash}, err
}

func decodeClaim(v []byte) (Claim, error) {
	var j claimJSON
	err := strictJSON(v, &j)
	return Claim{Instance: j.Instance, Run: j.Run, At: connector.Instant(j.At), Visit: j.Visit, Released: j.Released}, err
}

func decodeDoubt(v []byte) (connector.Doubt, error) {
	var j doubtJSON
	err := strictJSON(v, &j)
	return fromDoubtJSON(j), err
}

func fromDoubtJSON(j doubtJSON) connector.Doubt {
	return connector.Doubt{Since: connector.Instant(j.Since), At: connector.Instant(j.At), Absent: j.Absent, Twice: j.Twice}
}

func decodeState(v []byte) (State, error) {
	var j stateJSON
	if err := strictJSON(v, &j); err != nil {
		return State{}, err
	}
	s := State{Instance: j.Instance, Partial: j.Partial, Identity: Identity{Topic: j.Topic, Partitions: j.Partitions}}
	s.Cursor = connector.Cursor{Text: j.Cursor, Instant: connector.Instant(j.CursorAt)}
	s.Sweep = j.Sweep.sweep()
	if j.Feed != nil {
		s.Feed.Cursor = connector.Cursor{Text: j.Feed.Cursor, Instant: connector.Instant(j.Feed.CursorAt)}
		s.Feed.Trailing = connector.Instant(j.Feed.Trailing)
	}
	s.Trailing, s.Floor, s.Seq = connector.Instant(j.Trailing), connector.Instant(j.Floor), j.Seq
	s.Reasons, s.Ran = j.Reasons, connector.Instant(j.Ran)
	for _, p := range j.Prints {
		s.Prints = append(s.Prints, connector.Numbered(p))
	}
	lookback, err := time.ParseDuration(j.Lookback)
	if err != nil {
		return State{}, fmt.Errorf("lookback: %w", err)
	}
	s.Lookback = lookback
	id, err := hex.DecodeString(j.TopicID)
	if err != nil || len(id) != len(s.ID) {
		return State{}, fmt.Errorf("topic_id %q is not 32 hexadecimal digits", j.TopicID)
	}
	copy(s.ID[:], id)
	s.Sum, err = parseSum(j.Sum)
	return s, err
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // these types always encode
	}
	return b
}

// strictJSON decodes one object whose version is 1. A member that is not known was
// written by a newer program, and means something that must not be overlooked.
func strictJSON(v []byte, into any) error {
	var head struct {
		V int `json:"v"`
	}
	if err := json.Unmarshal(v, &head); err != nil {
		return fmt.Errorf("value %.80q is not a JSON object: %w", v, err)
	}
	if head.V != 1 {
		return fmt.Errorf("value has version %d, this program knows 1: use the program that wrote it, or a newer one", head.V)
	}
	dec := json.NewDecoder(bytes.NewReader(v))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("value %.80q: %w", v, err)
	}
	return nil
}
