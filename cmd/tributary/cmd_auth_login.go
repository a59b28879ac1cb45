package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"tributary/connector/rest/oauth"
)

type loginFlags struct {
	redirect  string
	device    bool
	noBrowser bool
	wait      time.Duration
}

func newAuthLoginCmd(a *app) *cobra.Command {
	var path string
	var f loginFlags
	cmd := &cobra.Command{
		Use:   "login SOURCE",
		Short: "Get a refresh token by logging in with a browser",
		Long: `Login prints an address, waits until a person has allowed there what the source needs, and
keeps the tokens that come of it, sealed, in the offsets topic. A connector that runs goes
on with them by itself.

The browser has to be on this machine, for the answer comes to its loopback; over ssh,
forward the port of --redirect. Where the API has it, --device works from anywhere.`,
		Example: `  tributary auth login salesloft
  tributary auth login salesloft --no-browser --redirect http://127.0.0.1:8976/callback
  tributary auth login salesloft --device`,
		Args: cobra.ExactArgs(1),
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&f.redirect, "redirect", "http://127.0.0.1:0/callback", "the redirect `URL` on this machine that the client is registered with; port 0 is a free one")
	cmd.Flags().BoolVar(&f.device, "device", false, "enter a code on another device (needs device_url)")
	cmd.Flags().BoolVar(&f.noBrowser, "no-browser", false, "print the address, and do not try to open it")
	cmd.Flags().DurationVar(&f.wait, "wait", 10*time.Minute, "how long to wait for the person")
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
		switch {
		case f.device && s.OAuth.DeviceURL == "":
			return &exitError{exitUsage, fmt.Errorf("source %s has no device_url under auth.oauth2", s.Name)}
		case !f.device && s.OAuth.AuthURL == "":
			return &exitError{exitUsage, fmt.Errorf("source %s has no auth_url under auth.oauth2: that is where a person logs in", s.Name)}
		}
		return e.login(cmd.Context(), s, f)
	}
	return cmd
}

func (e *editor) login(ctx context.Context, s SourceConfig, f loginFlags) error {
	// Before a person does anything: a token that cannot be kept is lost.
	if err := e.cl.Ping(ctx); err != nil {
		return fmt.Errorf("kafka, where the token is to be kept: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, f.wait)
	defer cancel()
	end := oauth.NewEndpoint(s.OAuth, oauth.NewTransport(s.TLS.config))
	var got oauth.Answer
	var err error
	if f.device {
		got, err = end.Device(limited, func(address, code string) {
			fmt.Fprintf(e.a.stdout, "Open %s\nand enter the code %s\n", oneLine([]byte(address)), oneLine([]byte(code)))
		})
	} else {
		got, err = end.Browser(limited, f.redirect, func(address string) {
			fmt.Fprintf(e.a.stdout, "Open this address to log in:\n\n  %s\n\n", address)
			if !f.noBrowser && term.IsTerminal(int(os.Stdout.Fd())) {
				openBrowser(address)
			}
		})
	}
	received := time.Now()
	switch {
	case err != nil:
		return fmt.Errorf("log in to source %s: %w", s.Name, err)
	case got.Refresh == "":
		return errors.New("the server gave no refresh token: most want a scope for that, such as offline_access or refresh_token, under auth.oauth2.scopes")
	}
	t := oauth.State{Access: got.Access, Refresh: got.Refresh, Life: got.Life}
	if got.Life > 0 {
		t.Expiry = received.Add(got.Life)
	}
	number, err := e.putToken(ctx, s, t)
	if err != nil {
		return fmt.Errorf("the login succeeded, and its token could not be kept: log in again when this is mended: %w", err)
	}
	return e.say(false, "source %s: logged in; the token is kept as number %d, sealed by key %s; a connector that runs takes it up by itself", s.Name, number, e.cfg.Seal.First())
}

// openBrowser tries to. The address was printed, so that it may fail.
func openBrowser(address string) {
	command := []string{"xdg-open"}
	switch runtime.GOOS {
	case "darwin":
		command = []string{"open"}
	case "windows":
		command = []string{"rundll32", "url.dll,FileProtocolHandler"}
	}
	cmd := exec.Command(command[0], append(command[1:], address)...)
	if cmd.Start() == nil {
		go cmd.Wait() // so that it is not left a zombie
	}
}
