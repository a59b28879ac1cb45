package replica

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"tributary/connector/rest/canon"
)

const schema = `
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS collections (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, topic TEXT NOT NULL,
	topic_id TEXT NOT NULL, partitions INTEGER NOT NULL, indexes TEXT NOT NULL, whole INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS positions (collection INTEGER NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL,
	PRIMARY KEY (collection, partition)) WITHOUT ROWID;`

// errMisfit is a file of ours that is about something else, or of another version.
type errMisfit struct{ why string }

func (e *errMisfit) Error() string { return e.why }

// within runs f in one transaction of the writer.
func (f *file) within(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := f.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		tx.Rollback()
		return err
	}
	return tx.Commit()
}

// prepare makes the tables of a new file, and refuses one that is about something else.
func (f *file) prepare(ctx context.Context, about map[string]string) error {
	var version int
	if err := f.write.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version != 0 && version != format {
		return &errMisfit{fmt.Sprintf("it has the layout %d of another version, ours is %d", version, format)}
	}
	return f.within(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, schema+"\nPRAGMA user_version = "+strconv.Itoa(format)); err != nil {
			return err
		}
		for name, want := range about {
			var is string
			err := tx.QueryRowContext(ctx, "INSERT INTO about (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value RETURNING value", name, want).Scan(&is)
			switch {
			case err != nil:
				return err
			case is != want:
				return &errMisfit{fmt.Sprintf("it is of the %s %q, and this is %q", name, is, want)}
			}
		}
		return nil
	})
}

// A stored is a collection as the file has it.
type stored struct {
	number     int64
	topic      string
	topicID    string
	partitions int32
	indexes    string
	next       map[int32]int64 // by partition
	whole      time.Time
	records    int64
	last       int64 // the largest n
}

// collections reads what the file has of each collection.
func (f *file) collections(ctx context.Context) (map[string]*stored, error) {
	rows, err := f.write.QueryContext(ctx, "SELECT number, name, topic, topic_id, partitions, indexes, whole FROM collections")
	if err != nil {
		return nil, err
	}
	all, byNumber := map[string]*stored{}, map[int64]*stored{}
	for rows.Next() {
		var name string
		s := &stored{next: map[int32]int64{}}
		var whole int64
		if err := rows.Scan(&s.number, &name, &s.topic, &s.topicID, &s.partitions, &s.indexes, &whole); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		s.whole = time.UnixMilli(whole)
		all[name], byNumber[s.number] = s, s
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	rows, err = f.write.QueryContext(ctx, "SELECT collection, partition, next FROM positions")
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var number, next int64
		var partition int32
		if err := rows.Scan(&number, &partition, &next); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		if s := byNumber[number]; s != nil {
			s.next[partition] = next
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	for _, s := range all {
		q := fmt.Sprintf("SELECT count(*), coalesce(max(n), 0) FROM c%d", s.number)
		if err := f.write.QueryRowContext(ctx, q).Scan(&s.records, &s.last); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// reset makes a collection's table anew, empty, as that of a topic at a time, and returns its
// number.
func (f *file) reset(ctx context.Context, c *collection, topicID string, next []int64, at time.Time) (number int64, err error) {
	err = f.within(ctx, func(tx *sql.Tx) error {
		if err := drop(ctx, tx, c.Name); err != nil {
			return err
		}
		err := tx.QueryRowContext(ctx, "INSERT INTO collections (name, topic, topic_id, partitions, indexes, whole) VALUES (?, ?, ?, ?, ?, ?) RETURNING number",
			c.Name, c.Topic, topicID, len(next), c.indexText, at.UnixMilli()).Scan(&number)
		if err != nil {
			return err
		}
		// A column without a type compares what is put there as it is: '1' is not 1.
		table := fmt.Sprintf(`CREATE TABLE c%d (n INTEGER PRIMARY KEY, id NOT NULL UNIQUE, record TEXT NOT NULL,
			instant INTEGER, seq INTEGER, "partition" INTEGER NOT NULL, "offset" INTEGER NOT NULL`, number)
		for i := range c.indexes {
			table += fmt.Sprintf(", i%d", i)
		}
		table += ");\n"
		for i := range c.indexes {
			table += fmt.Sprintf("CREATE INDEX c%d_i%d ON c%d (i%d, id);\n", number, i, number, i)
		}
		if _, err := tx.ExecContext(ctx, table); err != nil {
			return err
		}
		return insertPositions(ctx, tx, number, 0, next)
	})
	return number, err
}

// widen adds the positions of new partitions.
func (f *file) widen(ctx context.Context, c *collection, from int, next []int64) error {
	return f.within(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "UPDATE collections SET partitions = ? WHERE number = ?", from+len(next), c.number); err != nil {
			return err
		}
		return insertPositions(ctx, tx, c.number, from, next)
	})
}

func insertPositions(ctx context.Context, tx *sql.Tx, number int64, from int, next []int64) error {
	for i, at := range next {
		if _, err := tx.ExecContext(ctx, "INSERT INTO positions (collection, partition, next) VALUES (?, ?, ?)", number, from+i, at); err != nil {
			return err
		}
	}
	return nil
}

// keepOnly drops the collections that the config does not have.
func (f *file) keepOnly(ctx context.Context, all map[string]*stored, names []string) error {
	for name := range all {
		if slices.Contains(names, name) {
			continue
		}
		if err := f.within(ctx, func(tx *sql.Tx) error { return drop(ctx, tx, name) }); err != nil {
			return err
		}
	}
	return nil
}

func drop(ctx context.Context, tx *sql.Tx, name string) error {
	var number int64
	err := tx.QueryRowContext(ctx, "DELETE FROM collections WHERE name = ? RETURNING number", name).Scan(&number)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM positions WHERE collection = ?", number); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, fmt.Sprintf("DROP TABLE IF EXISTS c%d", number))
	return err
}

// indexText is the list of a collection's indexes as the file has it. It is a list of the
// paths' meaning, so that another spelling is the same index.
func indexText(indexes []path) string {
	keys := []string{}
	for _, p := range indexes {
		keys = append(keys, p.key())
	}
	text, _ := json.Marshal(keys) // texts
	return string(text)
}

// CheckIndex says whether a path can be an index: that of a value, by names.
func CheckIndex(path string) error {
	if path == "" {
		return errors.New("is empty")
	}
	_, err := canon.SplitPath(path)
	return err
}
