package rest

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"tributary/connector/rest/network"
)

// NewTransport returns what carries the requests of one source: over HTTP/2 where the
// server has it, on connections that are kept, through the proxy that HTTPS_PROXY,
// HTTP_PROXY and NO_PROXY name. Config says whom to trust and which certificate to
// show; nil is what the system trusts. It is not copied and must not change any more.
func NewTransport(config *tls.Config) http.RoundTripper {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: network.RefusedByProxy,
		DialContext:            (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    dialTimeout,
		MaxIdleConnsPerHost:    16, // collections of one source that are read at once
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true, // body.go counts the bytes on both sides
		ForceAttemptHTTP2:      true, // a dialer or a tls.Config of one's own turns it off
		// A connection whose other end is gone shows no error by itself: every page
		// on it would run into its deadline.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
	}
}
