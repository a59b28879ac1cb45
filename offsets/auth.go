package offsets

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/connector"
)

// Auth is what the offsets topic holds of a source's OAuth2 token. Only Sealed is secret,
// and that only to who has no key.
type Auth struct {
	// Sealed holds a Token.
	Sealed Sealed
	// Expiry is when the access token ends by the clock of who received it; Beginning
	// where the server did not say, or there is none.
	Expiry connector.Instant
	// Number counts the tokens that were received.
	Number uint64
	// Instance wrote the record, Run is the number of its process, Written its clock.
	Instance, Run string
	Written       connector.Instant
	// Intent is set while the token is being exchanged for another one, and stays set
	// when whoever did it died, or got no answer.
	Intent *Intent
}

// An Intent says that the refresh token is about to be sent to the token endpoint. It is
// committed before that happens, beside the token that is there.
type Intent struct {
	// Lasts is for how long after its commit the answer may still be on its way: so long
	// nobody else begins. It is a duration and no instant, for clocks differ.
	Lasts time.Duration
	// Instance and Run are whose it is.
	Instance, Run string
	// Ended says that its request is over and has brought no token that is known of.
	Ended bool
}

// Open says whether a request may be on its way.
func (a *Auth) Open() bool { return a != nil && a.Intent != nil && !a.Intent.Ended }

// Token is the secret part of Auth.
type Token struct {
	// Access is what requests carry; empty while there is none yet.
	Access string `json:"access,omitempty"`
	// Refresh is what it is renewed by, most often only once.
	Refresh string `json:"refresh,omitempty"`
	// Life is for how long Access was issued.
	Life string `json:"life,omitempty"`
	// Seed is a digest of the refresh token in the config that this token took the place
	// of: with another one there, the config's is used.
	Seed string `json:"seed"`
}

const purposeAuth = "auth"

// SealToken seals a token for its source in this offsets topic.
func (r *Ring) SealToken(t Token, topic, source string) (Sealed, error) {
	return r.Seal(mustJSON(t), purposeAuth, topic, source)
}

// OpenToken opens what SealToken sealed. Its error never holds any of the token.
func (r *Ring) OpenToken(s Sealed, topic, source string) (t Token, err error) {
	plain, err := r.Open(s, purposeAuth, topic, source)
	if err != nil {
		return t, err
	}
	if json.Unmarshal(plain, &t) != nil {
		return t, fmt.Errorf("what is sealed by key %q is no token", s.Key)
	}
	return t, nil
}

type (
	authJSON struct {
		V        int         `json:"v"`
		Sealed   sealedJSON  `json:"sealed"`
		Expiry   instantText `json:"expiry"`
		Number   uint64      `json:"number"`
		Instance string      `json:"instance"`
		Run      string      `json:"run"`
		Written  instantText `json:"written"`
		Intent   *intentJSON `json:"intent,omitempty"`
	}
	sealedJSON struct {
		Key  string `json:"key"`
		Text []byte `json:"text"`
	}
	intentJSON struct {
		Lasts    string `json:"lasts"`
		Instance string `json:"instance"`
		Run      string `json:"run"`
		Ended    bool   `json:"ended,omitempty"`
	}
)

func encodeAuth(a Auth) []byte {
	j := authJSON{
		V: 1, Sealed: sealedJSON(a.Sealed), Expiry: instantText(a.Expiry), Number: a.Number,
		Instance: a.Instance, Run: a.Run, Written: instantText(a.Written),
	}
	if i := a.Intent; i != nil {
		j.Intent = &intentJSON{Lasts: i.Lasts.String(), Instance: i.Instance, Run: i.Run, Ended: i.Ended}
	}
	return mustJSON(j)
}

// maxIntent bounds for how long a record may make others wait.
const maxIntent = 10 * time.Minute

func decodeAuth(v []byte) (Auth, error) {
	var j authJSON
	if err := strictJSON(v, &j); err != nil {
		return Auth{}, err
	}
	a := Auth{
		Sealed: Sealed(j.Sealed), Expiry: connector.Instant(j.Expiry), Number: j.Number,
		Instance: j.Instance, Run: j.Run, Written: connector.Instant(j.Written),
	}
	if j.Sealed.Key == "" || len(j.Sealed.Text) == 0 {
		return a, fmt.Errorf("an auth record holds nothing sealed")
	}
	if i := j.Intent; i != nil {
		lasts, err := time.ParseDuration(i.Lasts)
		if err != nil || lasts < 0 || lasts > maxIntent {
			return a, fmt.Errorf("an intent lasts %.40q, and at most %v are known", i.Lasts, maxIntent)
		}
		a.Intent = &Intent{Lasts: lasts, Instance: i.Instance, Run: i.Run, Ended: i.Ended}
	}
	return a, nil
}

// AuthRecord returns the record that holds a source's token.
func AuthRecord(topic string, partition int32, source string, a Auth) *kgo.Record {
	return &kgo.Record{Topic: topic, Partition: partition, Key: key(kindAuth, source), Value: encodeAuth(a)}
}

func (t *Table) applyAuth(source string, value []byte) error {
	if value == nil {
		delete(t.Auths, source)
		return nil
	}
	a, err := decodeAuth(value)
	if err != nil {
		return fmt.Errorf("token of source %q: %w", source, err)
	}
	t.Auths[source] = &a
	return nil
}
