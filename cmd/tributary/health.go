package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tributary/connector/control"
)

// health knows which lanes are acquired.
type health struct {
	mu    sync.Mutex
	ready map[int32]bool
}

func (h *health) set(lane int32, ready bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ready[lane] = ready
}

// lanes returns the lanes in use, in order.
func (h *health) lanes() []int32 {
	h.mu.Lock()
	defer h.mu.Unlock()
	var lanes []int32
	for l := range h.ready {
		lanes = append(lanes, l)
	}
	slices.Sort(lanes)
	return lanes
}

// waiting returns the lanes in use that are not acquired.
func (h *health) waiting() []int32 {
	var waiting []int32
	for _, l := range h.lanes() {
		h.mu.Lock()
		if !h.ready[l] {
			waiting = append(waiting, l)
		}
		h.mu.Unlock()
	}
	return waiting
}

// newServer answers /metrics, /livez and /readyz, and leaves the rest to the control API
// and its page; nil: there is none. Liveness is the process's own and asks neither Kafka
// nor an API: to restart would mend neither. When clients must be certified, those of metrics
// must too; probes, which can show no certificate, are answered.
func newServer(reg *prometheus.Registry, h *health, api *control.Handler, certified bool) *http.Server {
	mux := http.NewServeMux()
	metrics := promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true, Registry: reg})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if certified && !control.Certified(r) {
			http.Error(w, "metrics are shown to nobody who shows no certificate: set tls_config.cert_file and key_file in Prometheus", http.StatusForbidden)
			return
		}
		metrics.ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if waiting := h.waiting(); len(waiting) > 0 {
			writeJSON(w, http.StatusServiceUnavailable, map[string]any{"status": "acquiring", "lanes_waiting": waiting})
			return
		}
		writeJSON(w, http.StatusOK, map[string]any{"status": "ready", "lanes": h.lanes()})
	})
	srv := &http.Server{
		Handler: mux, MaxHeaderBytes: 16 << 10,
		// Of a request that is refused the server reads the body too, before it answers: one
		// that comes byte by byte would hold a connection of somebody without a token for ever.
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	if api != nil {
		mux.Handle("/", api) // it sets deadlines of its own for what waits
		srv.RegisterOnShutdown(api.Close)
	}
	return srv
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(v) // a client that has gone is nobody's error
}
