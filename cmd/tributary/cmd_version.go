package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersionCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version, the revision and the Go version",
		Example: `  tributary version
  tributary version -o json`,
		Args: cobra.NoArgs,
	}
	output := outputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		info := buildInfo()
		if output.json() {
			return printJSON(a.stdout, info)
		}
		_, err := fmt.Fprintf(a.stdout, "tributary %s\nrevision  %s\nbuilt with %s for %s\n", info.Version, info.Revision, info.Go, info.Platform)
		return err
	}
	return cmd
}

// A build is what the compiler wrote into the program.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	// Modified says that the sources were not those of the revision.
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// version is set by the linker in release builds (-X main.version=…).
var version string

func buildInfo() build {
	b := build{Version: "(devel)", Revision: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	if version != "" {
		b.Version = version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// printJSON prints a value for another program, and for a person who looks on.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
