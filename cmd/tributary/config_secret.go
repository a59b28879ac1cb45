package main

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted stands wherever a secret would.
const redacted = "REDACTED"

// Secret is a credential that no log, error or dump of a struct shows: every way in
// which Go formats a value gives "REDACTED". Only Reveal gives the text.
type Secret string

// Reveal returns the secret for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// String returns "REDACTED".
func (s Secret) String() string { return redacted }

// GoString returns "REDACTED".
func (s Secret) GoString() string { return redacted }

// MarshalText returns "REDACTED".
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns "REDACTED".
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format writes "REDACTED" whatever the verb: %x and %q would go past String.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }
