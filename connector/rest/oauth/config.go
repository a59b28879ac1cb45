package oauth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"

	"golang.org/x/oauth2"
)

// A Flow is a way to a token.
type Flow string

// The flows.
const (
	RefreshToken      Flow = "refresh_token"
	ClientCredentials Flow = "client_credentials"
)

// A Style says where the token endpoint takes the client's id and secret. It is never
// found out by trying: that would send a refresh token twice.
type Style string

// The styles: HTTP Basic, the form, or a form's members as a JSON document.
const (
	InHeader Style = "header"
	InBody   Style = "body"
	JSONBody Style = "json_body"
)

// Config says how a source's token is got. It formats as its flow and address alone.
type Config struct {
	// Source names the source, for messages.
	Source string
	Flow   Flow
	// TokenURL is the token endpoint. AuthURL and DeviceURL are where a person allows the
	// client what it asks for; both may be empty.
	TokenURL, AuthURL, DeviceURL string
	ClientID, ClientSecret       string
	// Seed is the refresh token to begin with; empty where a person logs in.
	Seed   string
	Scopes []string
	Style  Style
	// Params are sent to the token endpoint with every request.
	Params map[string]string
}

// Format writes the flow and the address whatever the verb.
func (c Config) Format(f fmt.State, _ rune) {
	io.WriteString(f, "oauth2 "+string(c.Flow)+" at "+c.TokenURL)
}

// LogValue returns the same.
func (c Config) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// Digest returns what tells one seed from another, of no use for anything else.
func (c *Config) Digest() string {
	if c.Seed == "" {
		return ""
	}
	mac := hmac.New(sha256.New, []byte("tributary seed of "+c.Source))
	mac.Write([]byte(c.Seed))
	return hex.EncodeToString(mac.Sum(nil))
}

// OAuth2 is the config for package oauth2. Its style is explicit.
func (c *Config) OAuth2() *oauth2.Config {
	style := oauth2.AuthStyleInParams
	if c.Style == InHeader {
		style = oauth2.AuthStyleInHeader
	}
	return &oauth2.Config{
		ClientID: c.ClientID, ClientSecret: c.ClientSecret, Scopes: c.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: c.AuthURL, DeviceAuthURL: c.DeviceURL, TokenURL: c.TokenURL, AuthStyle: style},
	}
}
