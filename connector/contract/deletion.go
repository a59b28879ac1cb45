package contract

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// marks are members with which APIs say that a record is gone, or put away.
var marks = []string{"deleted_at", "deletedat", "deleted", "is_deleted", "isdeleted", "date_deleted", "archived_at", "archivedat", "archived",
	"is_archived", "isarchived", "in_trash", "trashed", "trashed_at", "removed", "removed_at", "discarded_at"}

// deletions looks for how the API says that a record is gone.
func (c *Check) deletions() {
	has, set, rows := map[string]int{}, map[string]int{}, 0
	for _, r := range c.rows {
		var members map[string]json.RawMessage
		if json.Unmarshal(r.Value, &members) != nil {
			continue
		}
		rows++
		for name, value := range members {
			if name == c.o.Deleted || c.o.Deleted == "" && slices.Contains(marks, strings.ToLower(name)) {
				has[name]++
				if !slices.Contains([]string{"null", "false", "0", `""`}, string(value)) {
					set[name]++
				}
			}
		}
	}
	if rows == 0 {
		return
	}
	if c.o.Deleted != "" {
		c.announced(has, set, rows)
		return
	}
	if every := c.o.Settings.Sweeps.Every; len(has) == 0 && every > 0 {
		c.add("deletions", OK, fmt.Sprintf("no record says that it is deleted; a sweep looks every %s for what is gone", short(every)), "", "")
		return
	}
	if len(has) == 0 {
		c.add("deletions", Note, fmt.Sprintf("none of %d records has a member that says that it is deleted", rows), "a record that is gone stays in its topic: reading does not see it, a sweep does", "set `deletions: {sweep: {every: 24h}}`")
		return
	}
	for name := range has {
		c.add("deletions", Note, fmt.Sprintf("records have %s, which is set on %d of %d, and `deletions` does not name it", name, set[name], rows),
			"a record that is deleted or put away is published as a change, and not as a tombstone", fmt.Sprintf("set `deletions: {field: %s}` if that is what it means", name))
	}
}

func (c *Check) announced(has, set map[string]int, rows int) {
	name := c.o.Deleted
	switch {
	case strings.ContainsAny(name, "./"):
		return // it lies deeper, where no record need have it
	case has[name] == 0:
		c.add("deletions", Warn, fmt.Sprintf("none of %d records has %s", rows, name), "no deletion would be seen", "check `deletions.field`")
	case set[name] == 0:
		c.add("deletions", Note, fmt.Sprintf("%s is set on none of %d records", name, rows), "nothing was deleted, or the API lists deleted records only when asked to", "look in its documentation for a parameter that shows deleted ones, for `request.params`")
	default:
		c.add("deletions", OK, fmt.Sprintf("%s is set on %d of %d records: deleted ones are listed", name, set[name], rows), "", "")
	}
}
