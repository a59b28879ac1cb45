package main

import (
	"cmp"
	"net"
	"net/url"
)

// tokenURL decodes the address that is sent the client's secret: over TLS, or to this
// host.
func (d *decoder) tokenURL(n *node) string {
	u, ok := d.url(n)
	if ok && u.Scheme != "https" && !isLoopback(u) {
		d.fail(n, "wants https: the client's secret is sent there")
	}
	if !ok {
		return ""
	}
	return u.String()
}

func isLoopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// url decodes an absolute address over HTTP. What does not parse is not repeated: it
// may hold a password.
func (d *decoder) url(n *node) (*url.URL, bool) {
	s, ok := d.string(n)
	if !ok {
		return nil, false
	}
	u, err := url.Parse(s)
	const want = "wants an address such as https://api.example.com/v2"
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		d.fail(n, want)
	case u.User != nil:
		if password, ok := u.User.Password(); ok {
			d.secrets[password] = true
		}
		d.secrets[u.User.String()] = true
		d.fail(n, want+", without a name or password in it")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		d.secrets[cmp.Or(u.RawQuery, u.Fragment)] = true // a key, most often
		d.fail(n, want+", without a query or fragment")
	case u.Port() != "" && checkAddress(u.Host) != nil:
		d.fail(n, want+", with a port up to 65535")
	default:
		return u, true
	}
	return nil, false
}
