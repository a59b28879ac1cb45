package rest

import (
	"fmt"
	"slices"

	"tributary/connector"
)

// contract checks that the API did what it was asked for, where it says what it did.
// Many ignore a parameter that they do not know, and answer 200 with other records:
// what follows would be a loop without end, or a loss that nobody sees.
type contract struct {
	cfg    *Config
	stamps stamps
}

// maxEcho is how much of an echo is shown in an error.
const maxEcho = 80

func (c *contract) check(q connector.Query, d *pageDecoder, records []connector.Record) *connector.StopError {
	if len(q.IDs) > 0 {
		return c.checkIDs(q, records)
	}
	if c.cfg.EchoFrom != "" && q.From != connector.Beginning {
		if err := c.checkFrom(q.From, d.value(d.echoFrom)); err != nil {
			return err
		}
	}
	for _, path := range d.orderPaths() {
		want, got := c.cfg.EchoOrder[path], unquoted(d.value(d.echoOrder[path]))
		if got == nil || !hasFold(got, want) {
			return &connector.StopError{
				What:   fmt.Sprintf("the API ignored the order: it should repeat %q at %s, and there is %s", want, path, shown(got)),
				Remedy: "correct the parameters under order, leave the collection out if it cannot be sorted, or take echo.order away if this API does not repeat it",
			}
		}
	}
	return nil
}

// checkFrom compares the echo as an instant with the bound as it was sent, which its
// format may have floored.
func (c *contract) checkFrom(from connector.Instant, echo []byte) *connector.StopError {
	sent := c.stamps.lower(from)
	want, ok := c.stamps.parse([]byte(sent), c.stamps.unit > 0)
	text := unquoted(echo)
	got, readable := c.stamps.parse(text, len(echo) > 0 && echo[0] != '"')
	if ok && readable && got == want {
		return nil
	}
	return &connector.StopError{
		What:   fmt.Sprintf("the API ignored the filter: it should repeat the lower bound %s at %s, and there is %s", sent, c.cfg.EchoFrom, shown(text)),
		Remedy: "correct cursor.from, leave the collection out if it cannot be filtered, or take echo.from away if this API does not repeat it",
	}
}

// checkIDs refuses an answer with records that were not asked for. It shows that the
// ids were ignored: those that are missing from it would pass for deleted.
func (c *contract) checkIDs(q connector.Query, records []connector.Record) *connector.StopError {
	for _, r := range records {
		if r.Bad == "" && !slices.Contains(q.IDs, r.ID) {
			return &connector.StopError{
				What:   fmt.Sprintf("the API ignored the ids of a probe: it shows record %s, which was not asked for", shown([]byte(r.ID))),
				Remedy: "correct probe.param, or take probe away",
			}
		}
	}
	return nil
}

func shown(text []byte) string {
	if text == nil {
		return "nothing"
	}
	return fmt.Sprintf("%q", text[:min(len(text), maxEcho)])
}
