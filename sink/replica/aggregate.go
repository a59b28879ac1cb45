package replica

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strings"
)

const maxGroups = 4

// An aggregateQuery is what Aggregate is asked.
type aggregateQuery struct {
	operation string
	field     path
	groups    []groupKey
	filter    *condition
	limit     int64
}

// A groupKey is a field whose values make groups, or by says which period of its instants.
type groupKey struct {
	field    path
	by, zone string
}

func decodeAggregate(query []byte) (*aggregateQuery, error) {
	n, err := parseQuery(query)
	if err != nil {
		return nil, err
	}
	q := &aggregateQuery{limit: defaultLimit}
	err = n.object(map[string]func(*node) error{
		"operation": func(n *node) (err error) {
			q.operation, err = n.oneOf("count", "sum", "avg", "min", "max")
			return err
		},
		"field":  func(n *node) (err error) { q.field, err = n.path(); return err },
		"filter": func(n *node) (err error) { q.filter, err = decodeFilter(n); return err },
		"pull":   func(n *node) error { _, err := n.bool(); return err }, // not ours: see Asked
		"limit":  func(n *node) (err error) { q.limit, err = n.int(1, maxLimit); return err },
		"groups": func(n *node) error {
			return n.list(maxGroups, func(n *node) error {
				k, err := decodeGroupKey(n)
				q.groups = append(q.groups, k)
				return err
			})
		},
	})
	switch {
	case err != nil:
		return nil, err
	case q.operation == "":
		return nil, n.fail(`needs "operation"`)
	case q.operation != "count" && q.field.text == "":
		return nil, n.fail(`needs "field" for %q`, q.operation)
	}
	return q, nil
}

func decodeGroupKey(n *node) (k groupKey, err error) {
	k.zone = "UTC"
	zoned := false
	err = n.object(map[string]func(*node) error{
		"field": func(n *node) (err error) { k.field, err = n.path(); return err },
		"by":    func(n *node) (err error) { k.by, err = n.oneOf("year", "month", "week", "day"); return err },
		"time_zone": func(n *node) (err error) {
			zoned = true
			if k.zone, err = n.text(); err != nil {
				return err
			}
			if _, err = zoneOf(k.zone); err != nil {
				err = n.fail("%v", err)
			}
			return err
		},
	})
	switch {
	case err != nil:
	case k.field.text == "":
		err = n.fail(`needs "field"`)
	case zoned && k.by == "":
		err = n.fail(`has "time_zone" without "by"`)
	}
	return k, err
}

// numbers are what a field is for sums: what is no number is left out.
const numbers = "FILTER (WHERE typeof(v) IN ('integer', 'real'))"

// results are SQL's of the operations, over v. A sum of integers is taken in two halves,
// which cannot overflow, and put together exactly.
var results = map[string]string{
	"count": "count(v), NULL, NULL, NULL",
	"min":   "min(v) FILTER (WHERE typeof(v) <> 'blob'), NULL, NULL, NULL",
	"max":   "max(v) FILTER (WHERE typeof(v) <> 'blob'), NULL, NULL, NULL",
	"sum":   halves + ", count(*) FILTER (WHERE typeof(v) = 'real')",
	"avg":   halves + ", count(v) " + numbers,
}

const halves = "coalesce(sum(v >> 32) FILTER (WHERE typeof(v) = 'integer'), 0), coalesce(sum(v & 4294967295) FILTER (WHERE typeof(v) = 'integer'), 0), " +
	"total(v) FILTER (WHERE typeof(v) = 'real')"

// orders are what groups are sorted by, the largest first.
var orders = map[string]string{
	"count": "count(v)", "sum": "total(v) " + numbers, "avg": "avg(v) " + numbers,
	"min": "min(v) FILTER (WHERE typeof(v) <> 'blob')", "max": "max(v) FILTER (WHERE typeof(v) <> 'blob')",
}

func (q *aggregateQuery) statement(table string, columns map[string]string) *builder {
	b := &builder{columns: columns}
	var names []string
	b.write("SELECT ", results[q.operation])
	for i := range q.groups {
		names = append(names, "g"+string(rune('0'+i)))
		b.write(", ", names[i])
	}
	b.write(" FROM (SELECT ")
	if q.field.text == "" {
		b.write("1 AS v")
	} else {
		b.write(b.field(q.field), " AS v")
	}
	for i, k := range q.groups {
		f := b.field(k.field)
		if k.by != "" {
			f = "tributary_period(" + f + ", " + b.bind(k.by) + ", " + b.bind(k.zone) + ")"
		}
		b.write(", ", f, " AS ", names[i])
	}
	b.write(" FROM ", table)
	b.where(q.filter, nil)
	// The limit keeps SQLite from looking into the record once for each time that v is named.
	b.write(" LIMIT -1)")
	if len(names) > 0 {
		b.write(" GROUP BY ", strings.Join(names, ", "))
	}
	b.write(" ORDER BY ", orders[q.operation], " DESC")
	for _, name := range names {
		b.write(", ", name)
	}
	b.write(" LIMIT ", b.bind(q.limit+1))
	return b
}

// Aggregate answers a query for a value over the records of a collection, or over groups
// of them. It is to List what counting is to reading.
func (r *Replica) Aggregate(ctx context.Context, collection string, query json.RawMessage) (json.RawMessage, error) {
	q, err := decodeAggregate(query)
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

func (q *aggregateQuery) run(ctx context.Context, tx *sql.Tx, c *readable) ([]byte, error) {
	s := q.statement(c.table, c.columns)
	rows, err := tx.QueryContext(ctx, s.text.String(), s.args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	values := make([]driver.Value, 4+len(q.groups))
	var into []any
	for i := range values {
		into = append(into, anyValue{&values[i]})
	}
	answer := []byte(`{"rows":[`)
	more := false
	for n := int64(0); rows.Next(); n++ {
		if more = n == q.limit || len(answer) > maxAnswer; more {
			break
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		if n > 0 {
			answer = append(answer, ',')
		}
		answer = q.appendResult(append(answer, `{"value":`...), values)
		answer = append(answer, `,"group":[`...)
		for i, v := range values[4:] {
			if i > 0 {
				answer = append(answer, ',')
			}
			answer = appendValue(answer, v)
		}
		answer = append(answer, "]}"...)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	answer = append(answer, `],"more":`...)
	if more {
		answer = append(answer, "true"...)
	} else {
		answer = append(answer, "false"...)
	}
	return c.closing(ctx, tx, answer)
}

// appendResult writes what an operation came to.
func (q *aggregateQuery) appendResult(dst []byte, v []driver.Value) []byte {
	if q.operation != "sum" && q.operation != "avg" {
		return appendValue(dst, v[0])
	}
	high, _ := v[0].(int64)
	low, _ := v[1].(int64)
	reals, ok := v[2].(float64)
	if !ok {
		reals = math.NaN() // of what is infinite both ways, SQLite says NULL
	}
	count, _ := v[3].(int64)
	whole := new(big.Int).Lsh(big.NewInt(high), 32)
	whole.Add(whole, big.NewInt(low))
	if q.operation == "sum" && count == 0 {
		return whole.Append(dst, 10) // of integers alone: exact
	}
	sum, _ := new(big.Float).SetInt(whole).Float64()
	sum += reals
	switch {
	case q.operation == "sum":
		return appendFloat(dst, sum)
	case count == 0:
		return append(dst, "null"...)
	}
	return appendFloat(dst, sum/float64(count))
}
