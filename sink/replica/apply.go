package replica

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	sqlite3 "modernc.org/sqlite/lib"

	"tributary/connector/rest/canon"
)

// A move is how far one partition came within a transaction.
type move struct {
	c          *collection
	p          *partition
	partition  int32
	from, next int64
	end        int64 // the last stable offset that came with it
	records    int64 // more of them than before
	newest     time.Time
}

// applyUntilDone applies what was polled. What the disk refuses is tried again for as long
// as it does: nothing else would come next.
func (s *session) applyUntilDone(ctx context.Context, fetches kgo.Fetches) error {
	for wait := 500 * time.Millisecond; ; wait = min(2*wait, 15*time.Second) {
		err := s.commit(ctx, fetches, nil)
		if err == nil || ctx.Err() != nil || damaged(err) || errors.Is(err, errGone) || !s.file.stands(s.r.cfg.Path) {
			if err == nil {
				s.r.setTrouble(nil)
			}
			return err
		}
		if codeOf(err) == sqlite3.SQLITE_ERROR {
			return fmt.Errorf("%w: %w", errGone, err) // somebody has changed its tables
		}
		s.r.setTrouble(err)
		s.r.ahead(fetches)
		s.r.log.Error("the replica cannot be written", "err", err, "again_in", wait)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// commit writes records and the positions behind them in one transaction, and then tells
// of it. moves are of partitions without records.
func (s *session) commit(ctx context.Context, fetches kgo.Fetches, moves []*move) error {
	if fetches.NumRecords() == 0 && len(moves) == 0 {
		return nil
	}
	n := s.r.n
	err := s.file.within(ctx, func(tx *sql.Tx) error {
		var err error
		s.r.n = n
		fetches.EachPartition(func(fp kgo.FetchTopicPartition) {
			if err != nil || len(fp.Records) == 0 {
				return
			}
			var m *move
			if m, err = s.rows(ctx, tx, fp); m != nil {
				moves = append(moves, m)
			}
		})
		for _, m := range moves {
			if err == nil {
				err = m.store(ctx, tx)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	s.r.moved(moves)
	s.r.announce(time.Since(s.began))
	return nil
}

// store stores a position, if it still is where it was: another that writes the same file
// has its own rows there.
func (m *move) store(ctx context.Context, tx *sql.Tx) error {
	res, err := tx.ExecContext(ctx, "UPDATE positions SET next = ? WHERE collection = ? AND partition = ? AND next = ?", m.next, m.c.number, m.partition, m.from)
	if err != nil {
		return err
	}
	if changed, err := res.RowsAffected(); err != nil || changed != 1 {
		return errors.Join(fmt.Errorf("%w: the position of %s is not where it was left", errGone, m.c.Topic), err)
	}
	return nil
}

// rows applies the records of one partition. It returns nil for a partition that is not
// followed any more.
func (s *session) rows(ctx context.Context, tx *sql.Tx, fp kgo.FetchTopicPartition) (*move, error) {
	c := s.r.byTopic[fp.Topic]
	if c == nil || c.waiting != "" || int(fp.Partition) >= len(c.partitions) {
		return nil, nil
	}
	p := c.partitions[fp.Partition]
	m := &move{c: c, p: p, partition: fp.Partition, from: p.next, next: p.next, end: fp.LastStableOffset}
	insert, err := tx.PrepareContext(ctx, c.insert)
	if err != nil {
		return nil, err
	}
	defer insert.Close()
	for _, rec := range fp.Records {
		if rec.Offset < m.next {
			continue
		}
		if m.next = rec.Offset + 1; rec.Attrs.IsControl() {
			continue
		}
		m.newest = rec.Timestamp
		if err := s.row(ctx, tx, insert, m, rec); err != nil {
			return nil, fmt.Errorf("apply %s partition %d offset %d: %w", fp.Topic, fp.Partition, rec.Offset, err)
		}
	}
	return m, nil
}

// row applies one record: a null value, or one that nobody could read, takes the row away.
func (s *session) row(ctx context.Context, tx *sql.Tx, insert *sql.Stmt, m *move, rec *kgo.Record) error {
	c := m.c
	if rec.Value != nil {
		if err := canon.Check(rec.Value, maxDepth); err != nil || rec.Key == nil {
			if !c.foreign {
				c.foreign = true
				s.r.log.Warn("a value that is no record is passed over, and the row of its key taken away", "collection", c.Name,
					"topic", rec.Topic, "partition", rec.Partition, "offset", rec.Offset, "err", err)
			}
			rec.Value = nil
		}
	}
	if rec.Value == nil {
		res, err := tx.ExecContext(ctx, c.deleteSQL(), string(rec.Key))
		if err != nil {
			return err
		}
		gone, err := res.RowsAffected()
		m.records -= gone
		return err
	}
	var instant, seq any
	h, err := c.headers.Read(rec)
	if err == nil || h.Time != 0 {
		instant = int64(h.Time)
	}
	if err == nil || h.Seq != 0 {
		seq = int64(h.Seq)
	}
	s.r.n++
	args := append(make([]any, 0, 7+len(c.indexes)), s.r.n, string(rec.Key), string(rec.Value), instant, seq, rec.Partition, rec.Offset)
	for _, p := range c.indexes {
		args = append(args, valueOf(p.find(rec.Value)))
	}
	res, err := insert.ExecContext(ctx, args...)
	if err != nil {
		return err
	}
	if id, err := res.LastInsertId(); err == nil && id == s.r.n {
		m.records++ // n is that of no row of any table before
	}
	return nil
}

// maxDepth is how deep a record may be nested.
const maxDepth = 10_000

// insertSQL puts a record in the place of the one with its key.
func (c *collection) insertSQL() string {
	names := []string{"n", "id", "record", "instant", "seq", `"partition"`, `"offset"`}
	for i := range c.indexes {
		names = append(names, fmt.Sprintf("i%d", i))
	}
	var sets []string
	for _, name := range names[2:] {
		sets = append(sets, name+" = excluded."+name)
	}
	return fmt.Sprintf("INSERT INTO c%d (%s) VALUES (?%s) ON CONFLICT (id) DO UPDATE SET %s",
		c.number, strings.Join(names, ", "), strings.Repeat(", ?", len(names)-1), strings.Join(sets, ", "))
}

func (c *collection) deleteSQL() string { return fmt.Sprintf("DELETE FROM c%d WHERE id = ?", c.number) }
