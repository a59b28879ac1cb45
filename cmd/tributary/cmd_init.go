package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"tributary/connector/rest"
)

//go:embed example.yaml
var exampleConfig string

// noPreset is what to give to --preset for an API that has none.
const noPreset = "none"

func newInitCmd(a *app) *cobra.Command {
	var preset, address, auth string
	var force bool
	cmd := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a config with comments to begin with",
		Long: `Write a config with comments to begin with: for an API that there is a preset for, or
with --preset none for one whose cursor, paging and paths you describe yourself.
The file is tributary.yaml if none is named; - writes to standard output.

With --url it asks an API for a list of records, once, and guesses from the answer where
the records are, their id, the instant of their last change, how one pages and what the
budget is. Each guess says why; what the answer cannot show is marked TODO. A parameter of
the address whose value is an instant is taken for the lower bound. --auth names the
variable that holds the credential, which itself gets into no file.`,
		Example: `  tributary init
  tributary init crm.yaml --preset salesloft
  tributary init - --preset none
  tributary init --url "https://api.example.com/v2/people?updated_since=2026-01-01T00:00:00Z&per_page=100" --auth bearer:API_TOKEN`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var text []byte
			var err error
			if address == "" && auth != "" {
				return usage("--auth is for --url; otherwise write `auth` into the file")
			}
			if address != "" {
				text, err = draftConfig(cmd.Context(), a, address, auth)
			} else {
				text, err = example(preset, presets{lookup: rest.Preset, names: rest.PresetNames})
			}
			if err != nil {
				return err
			}
			path := defaultConfigFile
			if len(args) == 1 {
				path = args[0]
			}
			return writeExample(a, path, text, force)
		},
	}
	cmd.Flags().StringVar(&preset, "preset", "salesloft", "the `NAME` of the API's preset, or none")
	cmd.Flags().StringVar(&address, "url", "", "guess from what this `ADDRESS` of a list of records answers")
	cmd.Flags().StringVar(&auth, "auth", "", "with --url: bearer:VARIABLE, header:NAME:VARIABLE, basic:VARIABLE:VARIABLE or query:NAME:VARIABLE")
	cmd.MarkFlagsMutuallyExclusive("url", "preset")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite the file")
	_ = cmd.RegisterFlagCompletionFunc("preset", cobra.FixedCompletions(append(rest.PresetNames(), noPreset), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// example fills in the example: with a preset and the collections that it has, or
// with everything that a preset would say.
func example(preset string, p presets) ([]byte, error) {
	data := struct {
		Preset, Source string
		Collections    []string
		Asked          string // the collections of a preset that has none
	}{}
	if preset != noPreset {
		text, ok := p.lookup(preset)
		if !ok {
			known := append(p.names(), noPreset)
			return nil, &exitError{code: exitUsage, err: fmt.Errorf("there is no preset %q%s", preset, suggestion(preset, known))}
		}
		data.Preset, data.Collections = preset, collectionNames(preset, text)
		data.Source, data.Asked = presetExample(text)
	}
	t, err := template.New("example").Delims("[[", "]]").Parse(exampleConfig)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, data)
	return out.Bytes(), err
}

// presetExample returns the source that the comment at the head of a preset shows: how it
// is named and reached, and which collections it asks for.
func presetExample(text []byte) (source, collections string) {
	const sign, opening = "#   ", "#   sources:"
	_, rest, _ := strings.Cut(string(text), opening+"\n")
	into := &source
	for line := range strings.SplitSeq(rest, "\n") {
		if !strings.HasPrefix(line, sign) {
			break
		}
		if line = strings.TrimPrefix(line, sign); strings.HasPrefix(line, "    collections:") {
			into = &collections
		}
		*into += "\n" + line
	}
	return strings.TrimPrefix(source, "\n"), strings.TrimPrefix(collections, "\n")
}

// collectionNames returns the collections that a preset knows.
func collectionNames(preset string, text []byte) []string {
	d := newDecoder(expander{})
	var names []string
	if list := parseTree(d, newConfigText("preset "+preset, text)).get("collections"); list != nil {
		for _, item := range list.items {
			names = append(names, item.at("name").text)
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

// writeExample writes the file, and says what to do next.
func writeExample(a *app, path string, text []byte, force bool) error {
	if path == "-" {
		_, err := a.stdout.Write(text)
		return err
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already; --force overwrites it", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = fmt.Fprintf(a.stdout, "wrote %s; edit it, then: tributary validate -c %s\n", path, path)
	return err
}
