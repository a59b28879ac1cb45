package rest

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

const hidden = "[hidden]"

// What a trace masks by its name alone, because nobody said that it is a secret: what a
// server sets, and credentials that stand where they should not.
var (
	secretHeader = regexp.MustCompile(`(?i)auth|token|secret|cookie|passw|signature|session|(^|-)(api)?-?key$`)
	secretMember = regexp.MustCompile(`(?i)("(?:[a-z_]*(?:access|refresh|id|auth|bearer|session)_?token|token|[a-z_]*secret|[a-z_]*passw(?:or)?d|[a-z_]*api_?key|private_key|authorization|assertion|code_verifier)"\s*:\s*)("(?:[^"\\]|\\.)*"?|[^\s,}\]]+)`)
	secretParam  = regexp.MustCompile(`(?i)((?:^|[?&\s"])(?:(?:access|refresh|id|auth|session)_?token|token|[a-z_]*secret|passw(?:or)?d|[a-z_]*api_?key|hapikey|key|code|assertion|sig|signature|x-amz-[a-z-]*)=)[^&\s"'<>]+`)
	login        = regexp.MustCompile(`(://)[^/\s"'@]+@`)
)

// maskText hides in any text what is known and what is named like a secret.
func (s scrubber) maskText(t string) string {
	t = s.text(t)
	t = secretMember.ReplaceAllString(t, `${1}"`+hidden+`"`)
	t = secretParam.ReplaceAllString(t, "${1}"+hidden)
	return login.ReplaceAllString(t, "${1}"+hidden+"@")
}

func (x *Exchange) mask(s scrubber) {
	x.URL, x.RequestBody, x.Body, x.Err = s.maskText(x.URL), s.maskText(x.RequestBody), s.maskText(x.Body), s.maskText(x.Err)
	x.Sent, x.Header = s.maskHeader(x.Sent), s.maskHeader(x.Header)
}

func (s scrubber) maskHeader(h http.Header) http.Header {
	out := http.Header{}
	for name, values := range h {
		values = slices.Clone(values)
		for i, v := range values {
			if values[i] = s.maskText(v); secretHeader.MatchString(name) && v != "" {
				values[i] = hidden
			}
		}
		out[name] = values
	}
	return out
}

// IsSecretName says whether a query parameter sounds as if its value were a credential.
func IsSecretName(name string) bool {
	return secretParam.MatchString("?"+name+"=x") && !strings.EqualFold(name, "code")
}
