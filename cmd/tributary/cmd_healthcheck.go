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
	var trust *clientTLS
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
			var server *ListenTLS
			if config != "" {
				listen, cfg, err := loadControl(config, a.env)
				if err != nil {
					return err
				}
				address, server = localURL(cfg.scheme(), listen)+"/readyz", cfg.TLS
			}
			u, err := url.Parse(address)
			if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
				return &exitError{code: exitUsage, err: fmt.Errorf("--url wants an address such as %s", defaultHealthURL)}
			}
			cfg, err := trust.config(server, u.Hostname())
			if err != nil {
				return err
			}
			return healthcheck(cmd.Context(), newDirectClient(&http.Transport{DisableKeepAlives: true, TLSClientConfig: cfg}), address, timeout)
		},
	}
	trust = newClientTLS(cmd)
	cmd.Flags().StringVar(&address, "url", defaultHealthURL, "the `URL` to ask")
	cmd.Flags().StringVarP(&config, "config", "c", "", "take the address from listen in this config `FILE`")
	cmd.Flags().DurationVar(&timeout, "timeout", defaultHealthTimeout, "how long to wait")
	cmd.MarkFlagsMutuallyExclusive("url", "config")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	return cmd
}

// localURL returns the address at which a listen address is reached from this host. One that
// listens everywhere is asked on the loopback.
func localURL(scheme, listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return scheme + "://" + listen // which was refused when the config was loaded
	}
	switch ip := net.ParseIP(host); {
	case host == "", ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// healthcheck fails unless the address answers with a 2xx.
func healthcheck(ctx context.Context, client *http.Client, address string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s did not answer within %v", address, timeout)
	}
	if err != nil {
		if text := tlsTrouble(err); text != "" {
			return fmt.Errorf("%s cannot be asked: %s", address, text)
		}
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		return nil
	}
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)) // as much as came
	return fmt.Errorf("%s answered %s: %s", address, resp.Status, strings.TrimSpace(string(said)))
}
