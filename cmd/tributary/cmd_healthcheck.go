package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	defaultHealthURL     = "http://" + defaultListen + "/readyz"
	defaultHealthTimeout = 3 * time.Second
)

func newHealthcheckCmd(a *app) *cobra.Command {
	var config, address string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask a running tributary whether it is ready",
		Long: `Ask a running tributary on this host whether it is ready, and exit with 0 or 1.
It stands in for curl in images that have none.`,
		Example: `  tributary healthcheck
  tributary healthcheck --url http://127.0.0.1:8080/livez
  HEALTHCHECK CMD ["tributary", "healthcheck", "-c", "/etc/tributary/tributary.yaml"]`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if config != "" {
				cfg, err := LoadConfig(config, a.env)
				if err != nil {
					return err
				}
				address = healthURL(cfg.Listen)
			}
			return healthcheck(cmd.Context(), address, timeout)
		},
	}
	cmd.Flags().StringVar(&address, "url", defaultHealthURL, "the `URL` to ask")
	cmd.Flags().StringVarP(&config, "config", "c", "", "take the address from listen in this config `FILE`")
	cmd.Flags().DurationVar(&timeout, "timeout", defaultHealthTimeout, "how long to wait")
	cmd.MarkFlagsMutuallyExclusive("url", "config")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	return cmd
}

// healthURL returns the address of /readyz behind a listen address.
func healthURL(listen string) string { return localURL(listen) + "/readyz" }

// localURL returns the address at which a listen address is reached from this host. One that
// listens everywhere is asked on the loopback.
func localURL(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "http://" + listen // which was refused when the config was loaded
	}
	switch ip := net.ParseIP(host); {
	case host == "", ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// healthcheck fails unless the address answers with a 2xx. It goes there directly: a
// proxy that is meant for the API would answer for itself.
func healthcheck(ctx context.Context, address string, timeout time.Duration) error {
	if u, err := url.Parse(address); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return &exitError{code: exitUsage, err: fmt.Errorf("--url wants an address such as %s", defaultHealthURL)}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s did not answer within %v", address, timeout)
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		return nil
	}
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)) // as much as came
	return fmt.Errorf("%s answered %s: %s", address, resp.Status, strings.TrimSpace(string(said)))
}
