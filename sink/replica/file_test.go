package replica

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/connector"
)

// opened opens a replica that nobody runs, without a Kafka.
func opened(t testing.TB, path string, change func(*Config)) (*Replica, *logs, error) {
	t.Helper()
	l := &logs{}
	cfg := Config{
		Path: path, Group: "crm", Source: "s", Collections: []Collection{{Name: "people", Topic: "s.people"}},
		Log: slog.New(slog.NewTextHandler(l, nil)), Metrics: connector.NewMetrics(prometheus.NewRegistry()),
	}
	if change != nil {
		change(&cfg)
	}
	r, err := Open(context.Background(), cfg)
	if err == nil {
		t.Cleanup(func() { r.Close() })
	}
	return r, l, err
}

func TestAFileThatIsNoReplicaIsRefusedAndLeftAlone(t *testing.T) {
	another := filepath.Join(t.TempDir(), "another.db")
	db, err := sql.Open("sqlite", another)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE a (b); PRAGMA application_id = 7"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	database, err := os.ReadFile(another)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"a text":              {[]byte("my diary"), "not a SQLite database"},
		"a long text":         {[]byte(strings.Repeat("my diary\n", 1000)), "not a SQLite database"},
		"another's database":  {database, "of another program"},
		"the head of another": {database[:120], "of another program"},
	} {
		path := pathOf(t)
		if err := os.WriteFile(path, c.text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := opened(t, path, nil)
		var refused *RefusedError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != string(c.text) {
			t.Errorf("%s: it was touched: %v", name, err)
		}
	}
	if _, _, err := opened(t, t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("a folder: %v", err)
	}
	if _, _, err := opened(t, filepath.Join(t.TempDir(), "none", "r.db"), nil); err == nil || !strings.Contains(err.Error(), "has no folder") {
		t.Errorf("no folder: %v", err)
	}
}

func TestTwoDoNotHaveOneFile(t *testing.T) {
	path := pathOf(t)
	first, _, err := opened(t, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = opened(t, path, nil)
	if refused := (*RefusedError)(nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("the second: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err = opened(t, path, nil); err != nil {
		t.Errorf("after the first: %v", err)
	}
}

func TestAFileOfAnotherNameHasStrangeCharacters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c#d%20é'\".db")
	if _, _, err := opened(t, path, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// TestWhatDoesNotFitIsReadAgain spoils a replica in ways that a start finds.
func TestWhatDoesNotFitIsReadAgain(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(t *testing.T, path string)
		change func(*Config)
		says   string
	}{
		"another version":   {says: "layout 99", spoil: execute("PRAGMA user_version = 99")},
		"another source":    {says: `source \"old\"`, spoil: execute("UPDATE about SET value = 'old' WHERE name = 'source'")},
		"another group":     {says: `group \"old\"`, spoil: execute("UPDATE about SET value = 'old' WHERE name = 'group'")},
		"a missing table":   {says: "no such table", spoil: execute("DROP TABLE c1")},
		"garbage behind":    {says: "thrown away", spoil: garbage(100)},
		"garbage in tables": {says: "thrown away", spoil: garbage(4096)},
		"half a file":       {says: "thrown away", spoil: func(t *testing.T, path string) { must(t, os.Truncate(path, 5000)) }},
		"another index":     {change: func(c *Config) { c.Collections[0].Indexes = []string{"a"} }},
		"a lost position":   {spoil: execute("DELETE FROM positions")},
		"nothing is wrong":  {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, path := newKafka(t), pathOf(t)
			k.topic("s.people", 1)
			r := start(t, k.config(path))
			r.await(k.commit(put("1", `{"a":1}`), put("2", `{"a":2}`)))
			r.stop()
			execute("UPDATE c1 SET record = '{\"stale\":true}'; PRAGMA wal_checkpoint(TRUNCATE)")(t, path)
			if c.spoil != nil {
				c.spoil(t, path)
			}
			cfg := k.config(path)
			if c.change != nil {
				c.change(&cfg)
			}
			r = start(t, cfg)
			if err := r.CatchUp(within(t)); err != nil {
				t.Fatal(err)
			}
			if name == "nothing is wrong" {
				r.lists("", `{"stale":true}`, `{"stale":true}`) // the test would see it
				return
			}
			r.eventually("it has the records of the topic", func() bool { return r.Status().Collections[0].Records == 2 })
			r.lists("", `{"a":1}`, `{"a":2}`)
			if !strings.Contains(r.logs.String(), c.says) {
				t.Errorf("no word of %q:\n%s", c.says, r.logs)
			}
		})
	}
}

// TestAFileThatIsDamagedUnderWayIsReadAgain damages rows that a reader meets first.
func TestAFileThatIsDamagedUnderWayIsReadAgain(t *testing.T) {
	t.Parallel()
	k, path := newKafka(t), pathOf(t)
	k.topic("s.people", 1)
	r := start(t, k.config(path))
	r.await(k.commit(put("1", `{"a":1}`), put("2", `{"a":2}`)))
	execute(`UPDATE c1 SET record = '{"a"'`)(t, path)
	_, err := r.List(within(t), "people", []byte(`{"filter":{"field":"a","is":"equal","value":1}}`))
	if restoring := (*RestoringError)(nil); !errors.As(err, &restoring) {
		t.Errorf("the first reader: %v", err)
	}
	r.eventually("it was read again", func() bool {
		_, err := r.List(within(t), "people", []byte(`{"filter":{"field":"a","is":"equal","value":1}}`))
		return err == nil
	})
	r.lists("", `{"a":1}`, `{"a":2}`)
}

// TestAFileThatIsEmptiedUnderWayIsReadAgain as soon as somebody reads it, also where nothing
// comes that would be written to it.
func TestAFileThatIsEmptiedUnderWayIsReadAgain(t *testing.T) {
	t.Parallel()
	for name, empty := range map[string]func(*testing.T, string){
		"cut to nothing":  func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) },
		"without a table": execute("DROP TABLE c1"),
		"other columns":   execute("ALTER TABLE c1 RENAME COLUMN record TO other"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, path := newKafka(t), pathOf(t)
			k.topic("s.people", 1)
			r := start(t, k.config(path))
			r.await(k.commit(put("1", `{"a":1}`)))
			empty(t, path)
			r.eventually("it was read again", func() bool {
				data, err := r.List(within(t), "people", []byte(`{}`))
				return err == nil && strings.Contains(string(data), `{"a":1}`)
			})
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// execute returns what runs SQL on a replica, as somebody else may.
func execute(statement string) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		t.Helper()
		db, err := sql.Open("sqlite", uri(path))
		must(t, err)
		_, err = db.Exec(statement)
		must(t, errors.Join(err, db.Close()))
	}
}

// garbage overwrites all but the first bytes.
func garbage(from int64) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		must(t, err)
		info, err := f.Stat()
		must(t, err)
		_, err = f.WriteAt([]byte(strings.Repeat("x", int(info.Size()-from))), from)
		must(t, errors.Join(err, f.Close()))
	}
}
