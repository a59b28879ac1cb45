package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"

	"tributary/connector/rest/oauth"
	"tributary/offsets"
	"tributary/sink"
)

// A tokenStatus is a source as `auth status` prints it; its JSON is stable.
type tokenStatus struct {
	tokenView
	Flow string `json:"flow"`
	// State is ok, none, new_seed, unreadable, lost, refreshing, expired, or own for a
	// source that gets its tokens by itself; Advice says what to do about it.
	State  string `json:"state"`
	Advice string `json:"advice,omitempty"`
}

func newAuthStatusCmd(a *app) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what is kept of each source's token",
		Long: `Status shows of each OAuth2 token whether there is one, by which key it is sealed, when it
was written and by whom, when the access token ends, and whether a refresh was lost. It
shows no secret, fences nobody, and asks no token endpoint.`,
		Args: cobra.NoArgs,
	}
	configFlag(cmd, &path)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		e, err := newEditor(a, path)
		if err != nil {
			return err
		}
		defer e.Close()
		ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Minute)
		defer cancel()
		all, err := e.tokenStatuses(ctx)
		if err != nil {
			return err
		}
		if output.json() {
			return printJSON(a.stdout, all)
		}
		w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "SOURCE\tFLOW\tSTATE\tTOKENS\tKEY\tWRITTEN\tACCESS TOKEN UNTIL")
		for _, s := range all {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", s.Source, s.Flow, s.State, s.Number, orDash(s.Key), orDash(brief(s.Written)), orDash(brief(s.Expiry)))
		}
		if err := w.Flush(); err != nil {
			return err
		}
		for _, s := range all {
			if s.Advice != "" {
				fmt.Fprintf(a.stdout, "%s: %s\n", s.Source, s.Advice)
			}
		}
		return nil
	}
	return cmd
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// tokenStatuses looks at each source that has a token. Where there is no offsets topic
// yet, there is none.
func (e *editor) tokenStatuses(ctx context.Context) ([]tokenStatus, error) {
	all := []tokenStatus{}
	for _, s := range e.cfg.Sources {
		if s.OAuth == nil {
			continue
		}
		lane := int(e.lane(s.Name))
		st := tokenStatus{tokenView: tokenView{Source: s.Name, Lane: lane}, Flow: string(s.OAuth.Flow), State: "own"}
		if s.OAuth.Flow == oauth.RefreshToken {
			kept, err := e.kept(ctx, s.Name)
			if err != nil {
				return nil, err
			}
			if kept != nil {
				st.tokenView = viewToken(s.Name, lane, kept)
			}
			st.State, st.Advice = e.judgeToken(s, kept)
		}
		all = append(all, st)
	}
	return all, nil
}

// judgeToken says in which state a token is, and what to do about it.
func (e *editor) judgeToken(s SourceConfig, kept *offsets.Auth) (state, advice string) {
	login := fmt.Sprintf("`tributary auth login %s`, or `tributary auth import %s`", s.Name, s.Name)
	token, err := e.sealer().Open(kept, s.Name)
	switch view := viewOf(s.Name, kept); {
	case kept == nil && s.OAuth.Seed == "":
		return "none", "there is no token: " + login
	case kept == nil:
		return "none", "the connector begins with the refresh token of the config when it runs"
	case err != nil:
		return "unreadable", fmt.Sprintf("%v; put that key under `seal.keys`, or: %s", err, login)
	case s.OAuth.Seed != "" && token.Seed != s.OAuth.Digest():
		return "new_seed", "the config has another refresh token than before: the connector begins with that when it is started"
	case view.Intent == "lost":
		return "lost", "a refresh was sent of which no answer was kept: the connector sends the old token again when it runs; if the server does not take it: " + login
	case view.Intent == "open":
		return "refreshing", ""
	case token.Access == "":
		return "ok", "the connector gets an access token when it runs"
	case !token.Expiry.IsZero() && time.Now().After(token.Expiry):
		return "expired", "the connector gets another access token when it runs; if it does run, see its log, and: " + login
	}
	return "ok", ""
}

func viewOf(source string, kept *offsets.Auth) tokenView {
	if kept == nil {
		return tokenView{}
	}
	return viewToken(source, 0, kept)
}

// kept reads a token as it is committed now, nil where there is none.
func (e *editor) kept(ctx context.Context, source string) (*offsets.Auth, error) {
	if _, err := sink.Identify(ctx, e.cl, e.cfg.Offsets.Topic); errors.Is(err, kerr.UnknownTopicOrPartition) {
		return nil, nil
	}
	return readAuth(ctx, e.kafka, e.cfg, source)
}
