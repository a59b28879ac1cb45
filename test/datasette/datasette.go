//go:build unix

// Package datasette runs a real Datasette for tests, over an SQLite file that the tests
// write to. It is installed once for a machine, from PyPI, into a virtual environment in
// the user's cache directory.
package datasette

import (
	"bufio"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tributary/test/child"
	"tributary/test/chronicle"
	"tributary/test/hostile"
)

const (
	installTimeout = 5 * time.Minute
	startTimeout   = 60 * time.Second
)

// requirements pin Datasette and all that it needs.
//
//go:embed requirements.txt
var requirements []byte

//go:embed writer.py
var writer string

// Available returns nil where Datasette can be run, else an error of one line. The first
// call of a machine installs it; within a process the answer is remembered.
func Available() error {
	_, err := findPython()
	return err
}

// findPython returns the Python of the virtual environment. It is called by its own path,
// and scripts are not: those remember where the environment was made.
var findPython = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), installTimeout)
	defer cancel()
	sum := sha256.Sum256(requirements)
	dir, err := child.Cached(ctx, "datasette-"+hex.EncodeToString(sum[:6]), install)
	return filepath.Join(dir, "bin", "python"), err
})

func install(ctx context.Context, dir string) error {
	list := filepath.Join(dir, "requirements.txt")
	if err := os.WriteFile(list, requirements, 0o644); err != nil {
		return err
	}
	for _, command := range [][]string{
		{"python3", "-m", "venv", dir},
		{filepath.Join(dir, "bin", "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", list},
	} {
		if out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(command[:3], " "), err, child.LastLine(out))
		}
	}
	return nil
}

// Server is a Datasette over a file with one table, people, and a chronicle.Store that
// writes to the file. The columns are id, ver, note, touched and updated_at, the last
// stamped to the millisecond by the writer before it commits.
type Server struct {
	// URL is that of the database, to which "/people.json" is added.
	URL string

	text   bool // ids are text
	late   *rand.Rand
	in     io.WriteCloser
	out    *bufio.Reader
	server *child.Process
}

// Start starts a Datasette that lives until the end of the test. Ids are numbers, or text
// that no order of insertion follows. Where it cannot run the test is skipped, see
// [child.Require].
func Start(t testing.TB, textIDs bool) *Server {
	t.Helper()
	child.Require(t, "Datasette", Available())
	s := &Server{text: textIDs, late: rand.New(rand.NewPCG(1, 0x6c617465))}
	if err := s.start(t); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *Server) start(t testing.TB) error {
	python, err := findPython()
	if err != nil {
		return err
	}
	file := filepath.Join(t.TempDir(), "crm.db")
	if err := s.startWriter(t, python, file); err != nil {
		return fmt.Errorf("writer: %w", err)
	}
	ports, err := child.FreePorts(1)
	if err != nil {
		return err
	}
	base := fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	s.URL = base + "/crm"
	cmd := exec.Command(python, "-m", "datasette", "serve", file, "--host", "127.0.0.1", "--port", fmt.Sprint(ports[0]))
	if s.server, err = child.Serve(t, cmd, base+"/-/versions.json", startTimeout); err != nil {
		return fmt.Errorf("datasette: %w", err)
	}
	return nil
}

// startWriter starts the process that writes to the file. It ends with its input.
func (s *Server) startWriter(t testing.TB, python, file string) error {
	kind := "integer"
	if s.text {
		kind = "text"
	}
	cmd := exec.Command(python, "-c", writer, file, kind)
	var err error
	if s.in, err = cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	t.Cleanup(func() {
		s.in.Close()
		_ = cmd.Wait()
	})
	s.out = bufio.NewReader(out)
	_, err = s.out.ReadString('\n')
	return err
}

// NewID returns the number n, or a text.
func (s *Server) NewID(n int) string {
	if s.text {
		return fmt.Sprintf("p%05d-%d", n*7919%10_007, n)
	}
	return fmt.Sprint(n)
}

// Do does the writes in one transaction, all with one stamp. One in ten commits up to
// half a second after it was stamped.
func (s *Server) Do(_ context.Context, writes []chronicle.Write) ([]time.Time, error) {
	type transaction struct {
		Late   float64 `json:"late"`
		Writes [][]any `json:"writes"`
	}
	var tx transaction
	if s.late.IntN(10) == 0 {
		tx.Late = s.late.Float64() / 2
	}
	for _, w := range writes {
		op := map[hostile.Op]string{hostile.Insert: "insert", hostile.Update: "update", hostile.Touch: "touch", hostile.Remove: "remove"}[w.Op]
		tx.Writes = append(tx.Writes, []any{op, w.ID, w.Ver, chronicle.Note(w.Content), fmt.Sprint(w.Ver)})
	}
	line, err := json.Marshal(tx)
	if err != nil {
		return nil, err
	}
	if _, err := s.in.Write(append(line, '\n')); err != nil {
		return nil, err
	}
	answer, err := s.out.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the writer ended: %w", err)
	}
	stamp, err := time.Parse(time.RFC3339, strings.TrimSpace(answer))
	stamps := make([]time.Time, len(writes))
	for i := range stamps {
		stamps[i] = stamp
	}
	return stamps, err
}

// Rows finds the records in an answer.
func Rows(body []byte) ([][]byte, error) {
	var page struct{ Rows []json.RawMessage }
	err := json.Unmarshal(body, &page)
	var rows [][]byte
	for _, row := range page.Rows {
		rows = append(rows, row)
	}
	return rows, err
}
