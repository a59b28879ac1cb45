package connector

import "github.com/prometheus/client_golang/prometheus"

// RefreshOutcomes say how a request to a token endpoint ended: refused is a refresh token
// that is not good any more, client an id or secret that is wrong.
var RefreshOutcomes = []string{"ok", "refused", "client", "later", "unknown"}

// oauthMetrics are those of OAuth2 tokens, by source.
type oauthMetrics struct {
	expiry, reauth *prometheus.GaugeVec
	refreshes      *prometheus.CounterVec
	window         *prometheus.HistogramVec
}

// OAuthMetrics are the metrics of one source's OAuth2 token.
type OAuthMetrics struct {
	// Expiry is when the access token ends, 0 where that is not known.
	Expiry prometheus.Gauge
	// Reauth is 1 while a person has to log in.
	Reauth prometheus.Gauge
	// Refreshes are by outcome.
	Refreshes *prometheus.CounterVec
	// Window is the time in which a token was received and not yet committed.
	Window prometheus.Observer
}

// OAuth returns the metrics of a source that has a token, each series present with 0.
func (m *Metrics) OAuth(source string) *OAuthMetrics {
	o := &OAuthMetrics{
		Expiry: m.oauth.expiry.WithLabelValues(source), Reauth: m.oauth.reauth.WithLabelValues(source),
		Refreshes: m.oauth.refreshes.MustCurryWith(prometheus.Labels{"source": source}),
		Window:    m.oauth.window.WithLabelValues(source),
	}
	for _, outcome := range RefreshOutcomes {
		o.Refreshes.WithLabelValues(outcome)
	}
	return o
}
