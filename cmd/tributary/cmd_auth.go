package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tributary/cmd/tributary/vault"
	"tributary/connector"
	"tributary/connector/rest/oauth"
	"tributary/offsets"
	"tributary/sink"
)

func newAuthCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "auth",
		Short: "Log in to sources, and look after their OAuth2 tokens",
		Long: `Auth looks after the OAuth2 tokens that are kept, sealed, in the offsets topic: of sources
with "flow: refresh_token". Status only reads.

Login, import and rotate-key change them, by transactions of the lane's own producer. A
connector that runs waits for as long, and goes on with the new token by itself.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(newAuthLoginCmd(a), newAuthImportCmd(a), newAuthStatusCmd(a), newAuthRotateCmd(a))
	return cmd
}

// tokenSource returns the source of a name, which must be one whose token is kept.
func (c *Config) tokenSource(name string) (SourceConfig, error) {
	var names []string
	for _, s := range c.Sources {
		switch {
		case s.Name == name && s.OAuth == nil:
			return s, &exitError{exitUsage, fmt.Errorf("source %s has another kind of credential than oauth2: there is nothing to log in to", name)}
		case s.Name == name && s.OAuth.Flow != oauth.RefreshToken:
			return s, &exitError{exitUsage, fmt.Errorf("source %s uses flow: %s: it gets its tokens by itself, and nobody logs in", name, s.OAuth.Flow)}
		case s.Name == name:
			return s, nil
		case s.OAuth != nil && s.OAuth.Flow == oauth.RefreshToken:
			names = append(names, s.Name)
		}
	}
	return SourceConfig{}, &exitError{exitUsage, fmt.Errorf("the config has no source %q; those with a refresh token are: %s", name, strings.Join(names, ", "))}
}

// putToken commits a token in the place of the one that is kept, whatever that is.
func (e *editor) putToken(ctx context.Context, s SourceConfig, t oauth.State) (number uint64, err error) {
	err = e.visit(ctx, s.Name, func(_ context.Context, l *sink.Lane) error {
		if had := l.Auth(s.Name); had != nil {
			t.Number = had.Number
		}
		t.Number++
		// The config's own is passed over from now on, until it is another one.
		t.Seed = s.OAuth.Digest()
		record, err := e.sealer().Seal(t, s.Name)
		if err != nil {
			return err
		}
		return l.CommitAuth(s.Name, record)
	})
	return t.Number, err
}

func (e *editor) sealer() vault.Sealer {
	return vault.Sealer{Ring: e.cfg.Seal, Topic: e.cfg.Offsets.Topic, Instance: e.cfg.Instance, Run: "command"}
}

func newAuthImportCmd(a *app) *cobra.Command {
	var path, file, variable string
	cmd := &cobra.Command{
		Use:   "import SOURCE",
		Short: "Take over a refresh token that was got elsewhere",
		Long: `Import reads a refresh token from the standard input, a file or a variable of the
environment, and never from an argument, which others on the machine could see. It takes
the place of the one that is kept. Nobody else may use it from then on.`,
		Example: `  tributary auth import salesloft < token.txt
  tributary auth import salesloft --env SALESLOFT_REFRESH_TOKEN`,
		Args: cobra.ExactArgs(1),
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVarP(&file, "file", "f", "-", "read it from this `FILE`; - is the standard input")
	cmd.Flags().StringVar(&variable, "env", "", "read it from the variable `NAME` of the environment")
	cmd.MarkFlagsMutuallyExclusive("file", "env")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		e, err := newEditor(a, path)
		if err != nil {
			return err
		}
		defer e.Close()
		s, err := e.cfg.tokenSource(args[0])
		if err != nil {
			return err
		}
		token, err := readToken(cmd.InOrStdin(), a, file, variable)
		if err != nil {
			return err
		}
		number, err := e.putToken(cmd.Context(), s, oauth.State{Refresh: token})
		if err != nil {
			return err
		}
		return e.say(false, "source %s: the refresh token is kept as number %d, sealed by key %s; a connector that runs takes it up by itself", s.Name, number, e.cfg.Seal.First())
	}
	return cmd
}

// readToken reads a refresh token. Its errors hold nothing of it.
func readToken(stdin io.Reader, a *app, file, variable string) (string, error) {
	var text []byte
	var err error
	switch {
	case variable != "":
		value, ok := a.env(variable)
		if !ok {
			return "", fmt.Errorf("environment variable %s is not set", variable)
		}
		text = []byte(value)
	case file == "-":
		text, err = io.ReadAll(io.LimitReader(stdin, maxFileBytes))
	default:
		text, err = readFile(file)
	}
	if err != nil {
		return "", fmt.Errorf("read the refresh token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	switch {
	case token == "":
		return "", errors.New("there is no refresh token: what was read is empty")
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return "", errors.New("what was read is no refresh token: it has white space or control characters within")
	case len(token) > 16<<10:
		return "", fmt.Errorf("what was read is %d bytes long: that is no refresh token", len(token))
	}
	return token, nil
}

func newAuthRotateCmd(a *app) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "rotate-key [SOURCE]",
		Short: "Seal the tokens by the first key",
		Long: `Rotate-key opens the tokens that are sealed by an older key of "seal.keys" and seals them
by the first one. To change the key: put the new one before the old one, restart the
connector, run this, and take the old one away. Ciphertexts of the old key stay in the
segments of the offsets topic until they are compacted.`,
		Args: cobra.MaximumNArgs(1),
	}
	configFlag(cmd, &path)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		e, err := newEditor(a, path)
		if err != nil {
			return err
		}
		defer e.Close()
		var sources []SourceConfig
		if len(args) == 1 {
			s, err := e.cfg.tokenSource(args[0])
			if err != nil {
				return err
			}
			sources = append(sources, s)
		} else {
			sources = slices.DeleteFunc(slices.Clone(e.cfg.Sources), func(s SourceConfig) bool { return s.OAuth == nil || s.OAuth.Flow != oauth.RefreshToken })
		}
		var failed error
		for _, s := range sources {
			failed = errors.Join(failed, e.reseal(cmd.Context(), s.Name))
		}
		return failed
	}
	return cmd
}

// reseal seals a token by the first key, if it is not.
func (e *editor) reseal(ctx context.Context, source string) error {
	first := e.cfg.Seal.First()
	kept, err := e.kept(ctx, source)
	switch {
	case err != nil:
		return err
	case kept == nil:
		return e.say(false, "source %s: there is no token", source)
	case kept.Sealed.Key == first:
		return e.say(false, "source %s: the token is sealed by key %s already", source, first)
	}
	was := kept.Sealed.Key
	err = e.visit(ctx, source, func(_ context.Context, l *sink.Lane) error {
		record := *l.Auth(source)
		t, err := e.cfg.Seal.OpenToken(record.Sealed, e.cfg.Offsets.Topic, source)
		if err != nil {
			return fmt.Errorf("the token of source %s: %w", source, err)
		}
		if record.Sealed, err = e.cfg.Seal.SealToken(t, e.cfg.Offsets.Topic, source); err != nil {
			return err
		}
		record.Written = connector.InstantOf(time.Now())
		return l.CommitAuth(source, record)
	})
	if err != nil {
		return err
	}
	return e.say(false, "source %s: the token was sealed by key %s and is by key %s now", source, was, first)
}

// A tokenView is what may be shown of a token; its JSON is stable.
type tokenView struct {
	Source string `json:"source"`
	Lane   int    `json:"lane"`
	// Number counts the tokens received, Expiry is when the access token ends.
	Number   uint64 `json:"number"`
	Key      string `json:"key"`
	Expiry   string `json:"expiry,omitempty"`
	Written  string `json:"written"`
	Instance string `json:"instance"`
	// Intent is open while a refresh may be under way, lost when nobody knows what came
	// of one.
	Intent string `json:"intent,omitempty"`
}

func viewToken(source string, lane int, a *offsets.Auth) tokenView {
	v := tokenView{Source: source, Lane: lane, Number: a.Number, Key: a.Sealed.Key, Written: a.Written.String(), Instance: a.Instance}
	if a.Expiry != connector.Beginning {
		v.Expiry = a.Expiry.String()
	}
	switch {
	case a.Intent == nil:
	case a.Intent.Ended, time.Since(a.Written.Time()) > a.Intent.Lasts:
		v.Intent = "lost"
	default:
		v.Intent = "open"
	}
	return v
}
