package main

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"time"
	"unicode/utf8"

	"tributary/connector/rest"
)

// What follows is HAR 1.2 (w3c.github.io/web-performance/specs/HAR/Overview.html), as
// far as it is asked for. A name that begins with an underscore is our own, as it says.
type harLog struct {
	Log harBody `json:"log"`
}

type harBody struct {
	Version string     `json:"version"`
	Creator harCreator `json:"creator"`
	Entries []harEntry `json:"entries"`
}

type harCreator struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type harEntry struct {
	Started  time.Time   `json:"startedDateTime"`
	Time     float64     `json:"time"` // milliseconds, like all of them
	Request  harRequest  `json:"request"`
	Response harResponse `json:"response"`
	Cache    struct{}    `json:"cache"`
	Timings  harTimings  `json:"timings"`
	Remote   string      `json:"_remoteAddress,omitempty"`
	Reused   bool        `json:"_connectionReused"`
	Error    string      `json:"_error,omitempty"`
}

type harRequest struct {
	Method      string       `json:"method"`
	URL         string       `json:"url"`
	Version     string       `json:"httpVersion"`
	Cookies     []struct{}   `json:"cookies"` // they are masked as headers
	Headers     []harPair    `json:"headers"`
	Query       []harPair    `json:"queryString"`
	PostData    *harPostData `json:"postData,omitempty"`
	HeadersSize int          `json:"headersSize"` // -1: not known
	BodySize    int          `json:"bodySize"`
}

type harPostData struct {
	MimeType string `json:"mimeType"`
	Text     string `json:"text"`
}

type harResponse struct {
	Status      int        `json:"status"`
	StatusText  string     `json:"statusText"`
	Version     string     `json:"httpVersion"`
	Cookies     []struct{} `json:"cookies"`
	Headers     []harPair  `json:"headers"`
	Content     harContent `json:"content"`
	RedirectURL string     `json:"redirectURL"`
	HeadersSize int        `json:"headersSize"`
	BodySize    int64      `json:"bodySize"`
}

type harContent struct {
	Size        int64  `json:"size"`
	Compression int64  `json:"compression"`
	MimeType    string `json:"mimeType"`
	Text        string `json:"text"`
	Encoding    string `json:"encoding,omitempty"`
	Cut         bool   `json:"_cut,omitempty"`
}

type harTimings struct {
	Blocked float64 `json:"blocked"` // -1: it did not happen
	DNS     float64 `json:"dns"`
	Connect float64 `json:"connect"` // with SSL
	SSL     float64 `json:"ssl"`
	Send    float64 `json:"send"`
	Wait    float64 `json:"wait"`
	Receive float64 `json:"receive"`
}

type harPair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func harOf(version string, all []rest.Exchange) harLog {
	h := harLog{harBody{Version: "1.2", Creator: harCreator{"tributary", version}, Entries: []harEntry{}}}
	for _, x := range all {
		h.Log.Entries = append(h.Log.Entries, harEntry{
			Started: x.Began, Time: milliseconds(x.Timings.Total()), Request: harRequestOf(x), Response: harResponseOf(x),
			Timings: harTimingsOf(x.Timings), Remote: x.Remote, Reused: x.Reused, Error: x.Err,
		})
	}
	return h
}

func harRequestOf(x rest.Exchange) harRequest {
	r := harRequest{
		Method: x.Method, URL: x.URL, Version: x.Proto, Cookies: []struct{}{}, Headers: harHeaders(x.Sent), Query: []harPair{},
		HeadersSize: -1, BodySize: len(x.RequestBody),
	}
	if u, err := url.Parse(x.URL); err == nil {
		params := u.Query()
		for _, name := range slices.Sorted(keysOf(params)) {
			for _, value := range params[name] {
				r.Query = append(r.Query, harPair{name, value})
			}
		}
	}
	if x.RequestBody != "" {
		r.PostData = &harPostData{x.Sent.Get("Content-Type"), x.RequestBody}
	}
	return r
}

func harResponseOf(x rest.Exchange) harResponse {
	r := harResponse{
		Status: x.Status, StatusText: http.StatusText(x.Status), Version: x.Proto, Cookies: []struct{}{}, Headers: harHeaders(x.Header),
		Content:     harContent{Size: x.Decoded, Compression: x.Decoded - x.Received, MimeType: x.Header.Get("Content-Type"), Text: x.Body, Cut: x.Cut},
		RedirectURL: x.Header.Get("Location"), HeadersSize: -1, BodySize: x.Received,
	}
	if !utf8.ValidString(x.Body) {
		r.Content.Text, r.Content.Encoding = base64.StdEncoding.EncodeToString([]byte(x.Body)), "base64"
	}
	return r
}

func harHeaders(h http.Header) []harPair {
	pairs := []harPair{}
	for _, name := range slices.Sorted(keysOf(h)) {
		for _, value := range h[name] {
			pairs = append(pairs, harPair{name, value})
		}
	}
	return pairs
}

func harTimingsOf(t rest.Timings) harTimings {
	optional := func(d time.Duration) float64 {
		if d == 0 {
			return -1
		}
		return milliseconds(d)
	}
	return harTimings{
		Blocked: optional(t.Blocked), DNS: optional(t.DNS), Connect: optional(t.Connect + t.TLS), SSL: optional(t.TLS),
		Send: milliseconds(t.Send), Wait: milliseconds(t.Wait), Receive: milliseconds(t.Receive),
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
