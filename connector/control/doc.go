// Package control is how operators and programs see and operate a running connector: the
// HTTP API below /v1, described by openapi.yaml, and its server-sent events.
//
// It decides nothing about records. What it shows and does is the Plane's, which the
// running connector implements; what it adds is HTTP: who may ask, bounds on bodies and
// time, and errors as RFC 9457 has them.
//
// It never shows a credential, and never answers a request of another origin's page.
package control
