package main

import (
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// withReplica gives the source of a test a replica, and returns its path.
func (c *cli) withReplica() string {
	c.t.Helper()
	text, err := os.ReadFile(c.config)
	if err != nil {
		c.t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), "    collections:", "    replica: {path: shop.db}\n    collections:", 1))
	if err := os.WriteFile(c.config, text, 0o600); err != nil {
		c.t.Fatal(err)
	}
	return filepath.Join(filepath.Dir(c.config), "shop.db")
}

func TestARunThatHasCaughtUpLeavesAWholeReplica(t *testing.T) {
	c := newCLI(t, "[people]")
	path := c.withReplica()
	for range 2 {
		if code, _, stderr := c.run("run", "--until-caught-up"); code != 0 {
			t.Fatalf("run ended with %d:\n%s", code, stderr)
		}
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		var n int
		err = db.QueryRow(`SELECT count(*) FROM c1 WHERE json_extract(record, '$.name') LIKE 'p_'`).Scan(&n)
		if err := errors.Join(err, db.Close()); err != nil || n != 3 {
			t.Errorf("%d records: %v", n, err)
		}
	}
}

func TestARunOnAFileThatIsNoReplicaEndsAtOnce(t *testing.T) {
	c := newCLI(t, "[people]")
	path := c.withReplica()
	if err := os.WriteFile(path, []byte("my diary"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := c.run("run", "--until-caught-up")
	if code != exitFailed || !strings.Contains(stderr, "is not a SQLite database") || !strings.Contains(stderr, path) {
		t.Errorf("ended with %d:\n%s", code, stderr)
	}
}

func TestADevRunHasAReplicaOfItsOwn(t *testing.T) {
	c := newCLI(t, "[people]")
	path := c.withReplica()
	code, _, stderr := c.run("run", "--dev", "--until-caught-up")
	if code != 0 || !strings.Contains(stderr, "has come to the end of its topics") {
		t.Errorf("ended with %d:\n%s", code, stderr)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it touched the replica of the config: %v", err)
	}
}
