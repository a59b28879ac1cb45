package replica

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// application tells our files from others', format the layouts of ours. What either says
// of a file stands in its first 100 bytes.
const (
	application = 0x54726230
	format      = 2
)

// A RefusedError is a file that is not to be touched: it is not a replica's, or another
// process has it.
type RefusedError struct{ Path, What, Remedy string }

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the replica %s %s; %s", e.Path, e.What, e.Remedy)
}

// A file is an open replica: one connection that writes, and some that read.
type file struct {
	write, read *sql.DB
	info        os.FileInfo // of what was opened: another may come to stand there
}

// readers bounds how many queries run at once: each takes a processor.
const readers = 4

// openFile opens the replica at path, or makes it. Its error is a *RefusedError where
// something else stands there.
func openFile(ctx context.Context, path string) (*file, error) {
	if err := examine(path); err != nil {
		return nil, err
	}
	f := &file{}
	var err error
	// The file has its mark before anything else is in it, and before it has a WAL: a
	// process that is killed never leaves one that could be anybody's.
	if f.write, err = sql.Open("sqlite", uri(path, fmt.Sprintf("application_id(%d)", application), "journal_mode(WAL)", "synchronous(NORMAL)",
		"busy_timeout(5000)", "journal_size_limit(67108864)", "cache_size(-16384)")+"&_txlock=immediate"); err != nil {
		return nil, err
	}
	f.write.SetMaxOpenConns(1)
	if f.read, err = sql.Open("sqlite", uri(path, "query_only(1)", "busy_timeout(5000)", "cache_size(-8192)")); err != nil {
		return nil, err
	}
	f.read.SetMaxOpenConns(readers)
	f.read.SetMaxIdleConns(readers)
	if err := f.write.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the replica %s: %w", path, err), f.close())
	}
	if f.info, err = os.Stat(path); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

func (f *file) close() error { return errors.Join(f.read.Close(), f.write.Close()) }

// stands says whether the file is still the one at path.
func (f *file) stands(path string) bool {
	now, err := os.Stat(path)
	return err == nil && os.SameFile(f.info, now)
}

// uri names a database file, whatever characters its path has.
func uri(path string, pragmas ...string) string {
	q := url.Values{"_pragma": pragmas}
	return (&url.URL{Scheme: "file", Opaque: strings.ReplaceAll(url.PathEscape(filepath.ToSlash(path)), "%2F", "/"), RawQuery: q.Encode()}).String()
}

// examine refuses what stands at path unless it is a replica, or nothing.
func examine(path string) error {
	refuse := func(what, remedy string) error { return &RefusedError{path, what, remedy} }
	const move = "it is left alone: give the replica a path of its own, or move that file away"
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			return refuse("has no folder to be in", "make it: "+filepath.Dir(path))
		}
		return nil
	}
	if err != nil {
		return refuse("cannot be read: "+err.Error(), "allow this user to read and write it")
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return refuse("is not a file", move)
	}
	var head [100]byte
	n, err := io.ReadFull(f, head[:])
	switch {
	case errors.Is(err, io.EOF):
		return nil // empty
	case n < len(head), string(head[:16]) != "SQLite format 3\x00":
		return refuse("is not a SQLite database", move)
	case binary.BigEndian.Uint32(head[68:]) != application:
		return refuse("is the database of another program", move)
	}
	return nil
}

// discard deletes a replica, and nothing that is not one.
func discard(path string) error {
	if err := examine(path); err != nil {
		return err
	}
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// A lock is held as long as the process lives: a lock of SQLite on an empty file beside the
// replica, for on the replica itself it would keep our own readers out.
type lock struct {
	db   *sql.DB
	conn *sql.Conn
}

func takeLock(ctx context.Context, path string) (*lock, error) {
	name := path + "-lock"
	if info, err := os.Stat(name); err == nil && info.Size() > 0 {
		return nil, &RefusedError{path, "wants to lock " + name + ", which is somebody's file", "move that away, or give the replica another path"}
	}
	db, err := sql.Open("sqlite", uri(name))
	if err != nil {
		return nil, err
	}
	l := &lock{db: db}
	if l.conn, err = db.Conn(ctx); err == nil {
		_, err = l.conn.ExecContext(ctx, "BEGIN EXCLUSIVE")
	}
	switch {
	case err == nil:
		return l, nil
	case codeOf(err) == sqlite3.SQLITE_BUSY:
		err = &RefusedError{path, "is in use by another process", "two must not write it: stop the other, or give each its own file"}
	case codeOf(err) == sqlite3.SQLITE_CANTOPEN:
		err = &RefusedError{path, "cannot be locked: " + name + " cannot be made", "let this user write to " + filepath.Dir(path)}
	default:
		err = fmt.Errorf("lock %s: %w", name, err)
	}
	return nil, errors.Join(err, l.release())
}

func (l *lock) release() error {
	var err error
	if l.conn != nil {
		err = l.conn.Close()
	}
	return errors.Join(err, l.db.Close())
}

// codeOf returns SQLite's primary code of an error, 0 if it is not SQLite's.
func codeOf(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

// damaged says whether an error is about what the file holds.
func damaged(err error) bool {
	code := codeOf(err)
	return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB || errors.Is(err, errDamaged) ||
		err != nil && code == sqlite3.SQLITE_ERROR && strings.Contains(err.Error(), errDamaged.Error())
}
