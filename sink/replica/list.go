package replica

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"tributary/connector"
)

// Bounds on an answer. What is beyond them is on the next page.
const (
	maxLimit     = 1000
	defaultLimit = 100
	maxOffset    = 10_000_000
	maxSort      = 8
	maxAnswer    = 16 << 20
	// readTime bounds a query that nobody else bounds, and restoreTime how long one waits
	// for a collection that is restoring.
	readTime    = 30 * time.Second
	restoreTime = 2 * time.Second
)

// A listQuery is what List is asked.
type listQuery struct {
	filter     *condition
	projection *projection
	sort       []sortKey
	limit      int64
	offset     int64
	after      *token
	count      bool
	size       int // bytes of the query, without what says behind which record
}

// A sortKey is a field to sort by.
type sortKey struct {
	field      path
	descending bool
}

func decodeList(query []byte) (*listQuery, error) {
	n, err := parseQuery(query)
	if err != nil {
		return nil, err
	}
	q := &listQuery{limit: defaultLimit}
	after := ""
	var page *node
	err = n.object(map[string]func(*node) error{
		"filter":     func(n *node) (err error) { q.filter, err = decodeFilter(n); return err },
		"projection": func(n *node) (err error) { q.projection, err = decodeProjection(n); return err },
		"sort": func(n *node) error {
			return n.list(maxSort, func(n *node) error {
				k, err := decodeSortKey(n)
				q.sort = append(q.sort, k)
				return err
			})
		},
		"count": func(n *node) (err error) { q.count, err = n.bool(); return err },
		"pull":  func(n *node) error { _, err := n.bool(); return err }, // not ours: see Asked
		"page": func(n *node) error {
			page = n
			return n.object(map[string]func(*node) error{
				"limit":  func(n *node) (err error) { q.limit, err = n.int(1, maxLimit); return err },
				"offset": func(n *node) (err error) { q.offset, err = n.int(0, maxOffset); return err },
				"after":  func(n *node) (err error) { after, err = n.text(); return err },
			})
		},
	})
	q.size = len(query) - len(after)
	if err != nil || after == "" {
		return q, err
	}
	if q.offset > 0 {
		return nil, page.fail("has both %q and %q", "after", "offset")
	}
	if q.after, err = parseToken(after, q.sort); err != nil {
		return nil, page.members["after"].fail("%v", err)
	}
	return q, nil
}

func decodeSortKey(n *node) (k sortKey, err error) {
	err = n.object(map[string]func(*node) error{
		"field":      func(n *node) (err error) { k.field, err = n.path(); return err },
		"descending": func(n *node) (err error) { k.descending, err = n.bool(); return err },
	})
	if err == nil && k.field.text == "" {
		err = n.fail(`needs "field"`)
	}
	return k, err
}

// where writes the conditions of a query, and begins with WHERE if there are any.
func (b *builder) where(filter *condition, more func()) {
	switch {
	case filter != nil:
		b.write(" WHERE ")
		b.condition(filter)
		if more != nil {
			b.write(" AND ")
			more()
		}
	case more != nil:
		b.write(" WHERE ")
		more()
	}
}

// statement is the one that reads a page of a table: key, record, and what it is sorted by.
func (q *listQuery) statement(table string, columns map[string]string) *builder {
	b := &builder{columns: columns}
	b.write("SELECT id, record")
	var sorted []string
	for _, k := range q.sort {
		sorted = append(sorted, b.field(k.field))
		b.write(", ", sorted[len(sorted)-1])
	}
	b.write(" FROM ", table)
	var behind func()
	if q.after != nil {
		behind = func() { q.behind(b, sorted) }
	}
	b.where(q.filter, behind)
	b.write(" ORDER BY ")
	for i, k := range q.sort {
		b.write(sorted[i])
		if k.descending {
			b.write(" DESC")
		}
		b.write(", ")
	}
	// One more than asked for tells whether there is a next page.
	b.write("id LIMIT ", b.bind(q.limit+1), " OFFSET ", b.bind(q.offset))
	return b
}

// behind writes that a row comes behind the one that the token is of: it is so by the first
// field that differs, or by the key. NULL comes first, and last where it is descending.
func (q *listQuery) behind(b *builder, sorted []string) {
	for i, f := range sorted {
		v := q.after.values[i]
		at := b.bind(v)
		switch descending := q.sort[i].descending; {
		case descending && v == nil:
			b.write("(0")
		case descending:
			b.write("(", f, " < ", at, " OR ", f, " IS NULL")
		case v == nil:
			b.write("(", f, " IS NOT NULL")
		default:
			b.write("(", f, " > ", at)
		}
		b.write(" OR (", f, " IS ", at, " AND ")
	}
	b.write("id > ", b.bind(q.after.key))
	for range sorted {
		b.write("))")
	}
}

// List answers a query for records of a collection; docs/replica.md says what may be asked
// and what is answered. The records in the answer are as they were published, byte for
// byte, so whoever passes it on must not encode it again. Its error is a *QueryError, a
// *RestoringError, or about the file or ctx.
func (r *Replica) List(ctx context.Context, collection string, query json.RawMessage) (json.RawMessage, error) {
	q, err := decodeList(query)
	if err != nil {
		return nil, err
	}
	var answer []byte
	err = r.query(ctx, collection, func(ctx context.Context, tx *sql.Tx, c *readable) error {
		answer, err = q.run(ctx, tx, c)
		return err
	})
	return answer, err
}

func (q *listQuery) run(ctx context.Context, tx *sql.Tx, c *readable) ([]byte, error) {
	s := q.statement(c.table, c.columns)
	rows, err := tx.QueryContext(ctx, s.text.String(), s.args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	answer := []byte(`{"records":[`)
	last := token{values: make([]driver.Value, len(q.sort))}
	var record sql.RawBytes
	into := []any{&last.key, &record}
	for i := range last.values {
		into = append(into, anyValue{&last.values[i]})
	}
	next := ""
	for n := int64(0); rows.Next(); n++ {
		if n == q.limit || len(answer) > maxAnswer {
			if next = last.text(q.sort); q.size+len(next)+sayAfter > maxQuery {
				return nil, q.tooLong(&last)
			}
			break
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		if n > 0 {
			answer = append(answer, ',')
		}
		if q.projection == nil {
			answer = append(answer, record...)
		} else if answer, err = q.projection.cut(answer, record); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	answer = append(answer, `],"next":`...)
	if next == "" {
		answer = append(answer, "null"...)
	} else {
		answer = strconv.AppendQuote(answer, next) // base64
	}
	if q.count {
		n, err := q.total(ctx, tx, c)
		if err != nil {
			return nil, err
		}
		answer = strconv.AppendInt(append(answer, `,"count":`...), n, 10)
	}
	return c.closing(ctx, tx, answer)
}

// sayAfter is what a query for the next page says more than its "next".
const sayAfter = len(`,"page":{"after":""}`)

// tooLong refuses a page behind whose last record nobody could ask for more: what it is sorted
// by there does not fit into a query.
func (q *listQuery) tooLong(last *token) error {
	field, size := 0, 0
	for i, v := range last.values {
		if n := len(packValue(v)); n > size {
			field, size = i, n
		}
	}
	return &QueryError{fmt.Sprintf("/sort/%d/field", field), fmt.Sprintf("is %s, which is too long a text to go on behind it: that of record %q has %d bytes; "+
		"sort by something shorter, or have the filter leave out such records", q.sort[field].field.text, last.key, size-1)}
}

// total counts the records that the filter means, on all pages.
func (q *listQuery) total(ctx context.Context, tx *sql.Tx, c *readable) (n int64, err error) {
	b := &builder{columns: c.columns}
	b.write("SELECT count(*) FROM ", c.table)
	b.where(q.filter, nil)
	return n, tx.QueryRowContext(ctx, b.text.String(), b.args...).Scan(&n)
}

// A readable is what a query needs of a collection.
type readable struct {
	number       int64
	table, topic string
	columns      map[string]string
}

// closing ends an answer with how far the rows that it is made of are those of the topic.
func (c *readable) closing(ctx context.Context, tx *sql.Tx, answer []byte) ([]byte, error) {
	rows, err := tx.QueryContext(ctx, "SELECT partition, next FROM positions WHERE collection = ? ORDER BY partition", c.number)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	positions := []connector.Position{}
	for rows.Next() {
		p := connector.Position{Topic: c.topic}
		if err := rows.Scan(&p.Partition, &p.Offset); err != nil {
			return nil, err
		}
		positions = append(positions, p)
	}
	text, err := json.Marshal(positions)
	if err := errors.Join(err, rows.Err()); err != nil {
		return nil, err
	}
	return append(append(append(answer, `,"positions":`...), text...), '}'), nil
}

// query reads a collection that is ready, in one transaction: it sees one state of it.
func (r *Replica) query(ctx context.Context, collection string, read func(context.Context, *sql.Tx, *readable) error) error {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	f, c, err := r.readable(ctx, collection)
	if err != nil {
		return err
	}
	tx, err := f.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err == nil {
		err = errors.Join(read(ctx, tx, c), tx.Rollback())
	}
	var bad *QueryError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &bad):
		return bad
	case ctx.Err() != nil:
		return fmt.Errorf("reading %s.%s: %w", r.cfg.Source, collection, context.Cause(ctx))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if codeOf(err) == sqlite3.SQLITE_ERROR && strings.Contains(err.Error(), "no such ") {
		err = fmt.Errorf("%w: %w", errDamaged, err) // somebody has emptied it, or changed its tables
	}
	if damaged(err) && r.file == f {
		r.broken = err // the next attendance makes it anew
	}
	if r.file != f || r.broken != nil {
		return &RestoringError{r.cfg.Source, collection, "the file is made anew"}
	}
	return fmt.Errorf("reading %s.%s: %w", r.cfg.Source, collection, err)
}

// readable waits a little for a collection that is restoring.
func (r *Replica) readable(ctx context.Context, collection string) (*file, *readable, error) {
	ctx, cancel := context.WithTimeout(ctx, restoreTime)
	defer cancel()
	for {
		r.mu.Lock()
		c, changed, why := r.all[collection], r.changed, ""
		switch {
		case c == nil:
			r.mu.Unlock()
			return nil, nil, &QueryError{"", fmt.Sprintf("is of the collection %q, which the replica of %s does not have", collection, r.cfg.Source)}
		case r.file == nil || r.ended:
			why = "its file is not open"
		default:
			why = c.why()
		}
		if why == "" {
			out := &readable{number: c.number, table: fmt.Sprintf("c%d", c.number), topic: c.Topic, columns: c.columns}
			f := r.file
			r.mu.Unlock()
			return f, out, nil
		}
		r.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil, &RestoringError{r.cfg.Source, collection, why}
		}
	}
}
