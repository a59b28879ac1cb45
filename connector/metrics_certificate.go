package connector

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// RegisterCertificate registers with reg from when until when the certificate is valid that is
// served. valid is called at each scrape, whose connection may be older than the certificate.
func RegisterCertificate(reg prometheus.Registerer, valid func() (from, until time.Time)) {
	gauge := func(name, help string, value func() time.Time) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "tributary", Name: name, Help: help},
			func() float64 { return float64(value().Unix()) }))
	}
	gauge("control_certificate_expiry_timestamp_seconds", "When the certificate that is served expires.",
		func() time.Time { _, until := valid(); return until })
	gauge("control_certificate_not_before_timestamp_seconds", "From when on the certificate that is served is valid.",
		func() time.Time { from, _ := valid(); return from })
}
