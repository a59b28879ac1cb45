package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes. A script may rely on them.
const (
	exitFailed = 1 // also whatever is refused after asking Kafka or the API
	exitUsage  = 2
	exitConfig = 3 // the file itself, offline
	exitCheck  = 4 // check or verify found something
	exitFenced = 5 // another instance took over: starting again would take it back
)

// exitError is an error that ends the program with a code of its own. Without an err
// nothing is printed: the command has said everything.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// newRootCmd returns the command line. A command returns errors from its RunE and
// never exits: report decides what is printed and with what code the program ends.
func newRootCmd(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "tributary",
		Short: "Poll REST APIs and publish what changed to Kafka, exactly once",
		Long: `Tributary polls REST APIs for what changed and publishes it to Kafka, exactly once:
each changed record as a message, each deletion as a tombstone, and where it stands
in the same transaction. Kill it anywhere, and it goes on where Kafka says it is.`,
		Example: `  tributary init                      # write tributary.yaml, with comments
  export SALESLOFT_TOKEN=…            # it names this variable
  tributary validate                  # is the file right? asks nobody`,
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,

		SuggestionsMinimumDistance: 2,
	}
	root.AddCommand(
		newInitCmd(a),
		newRunCmd(a),
		newDemoCmd(a),
		newCheckCmd(a),
		newPreviewCmd(a),
		newStatusCmd(a),
		newPullCmd(a),
		newPauseCmd(a),
		newResumeCmd(a),
		newStateCmd(a),
		newAuthCmd(a),
		newVerifyCmd(a),
		newSweepCmd(a),
		newPublishCmd(a),
		newValidateCmd(a),
		newHealthcheckCmd(a),
		newVersionCmd(a),
	)
	markFailures(root)
	return root
}

// knownCommand is the root's check of its arguments: there are none but commands.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	message := fmt.Sprintf("unknown command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		message += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return errors.New(message)
}

// markFailures gives the errors of commands their code. What cobra itself returns has
// none then, and is a wrong usage.
func markFailures(cmd *cobra.Command) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			err := run(cmd, args)
			var coded *exitError
			switch {
			case err == nil || errors.As(err, &coded):
				return err
			case len(configErrors(err)) > 0:
				return &exitError{code: exitConfig, err: err}
			}
			return &exitError{code: exitFailed, err: err}
		}
	}
	for _, sub := range cmd.Commands() {
		markFailures(sub)
	}
}

// report prints an error and returns the exit code that goes with it.
func report(stderr io.Writer, err error) int {
	var coded *exitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &coded):
		fmt.Fprintf(stderr, "tributary: %s\nRun \"tributary help\", or a command with --help, for how it is used.\n", harmless(err.Error()))
		return exitUsage
	case coded.err == nil:
		return coded.code
	}
	if problems := configErrors(err); len(problems) > 0 {
		for _, p := range problems {
			fmt.Fprintln(stderr, p)
		}
		if len(problems) > 1 {
			fmt.Fprintf(stderr, "%d problems\n", len(problems))
		}
		return coded.code
	}
	fmt.Fprintf(stderr, "tributary: %s\n", harmless(err.Error()))
	return coded.code
}

// configFlag adds -c to a command that reads the config.
func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", defaultConfigFile, "the config `FILE`")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml") // fails for a flag that is not there
}

// outputFlag adds -o to a command that prints something.
func outputFlag(cmd *cobra.Command) *outputFormat {
	f := outputFormat("table")
	cmd.Flags().VarP(&f, "output", "o", "how to print: table or json")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return &f
}

// An outputFormat is the value of -o.
type outputFormat string

func (f *outputFormat) String() string { return string(*f) }

func (f *outputFormat) Type() string { return "FORMAT" }

// Set refuses what is not a format while flags are read, which makes it wrong usage.
func (f *outputFormat) Set(s string) error {
	if !slices.Contains([]string{"table", "json"}, s) {
		return errors.New("there are table and json")
	}
	*f = outputFormat(s)
	return nil
}

func (f *outputFormat) json() bool { return *f == "json" }
