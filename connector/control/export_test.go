package control

import "time"

// Patterns returns the patterns of the routes, as the mux has them.
func (h *Handler) Patterns() []string {
	var patterns []string
	for _, r := range h.routes() {
		patterns = append(patterns, r.pattern)
	}
	return patterns
}

// SetSlow sets how long a client may take to read an event.
func (h *Handler) SetSlow(d time.Duration) { h.slow = d }

// SetBodies sets how long a body may take to come.
func (h *Handler) SetBodies(d time.Duration) { h.bodies = d }

// Remembered returns how many answers are kept for those who send a request again, and of how
// many bytes.
func (h *Handler) Remembered() (answers, bytes int) {
	h.seen.mu.Lock()
	defer h.seen.mu.Unlock()
	return len(h.seen.kept), h.seen.bytes
}
