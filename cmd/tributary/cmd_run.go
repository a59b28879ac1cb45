package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"tributary/connector"
	"tributary/sink"
)

// runFlags are those of the command run.
type runFlags struct {
	config        string
	untilCaughtUp bool
	bootstrap     bool
	dev           bool
}

func newRunCmd(a *app) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Poll, and publish what changed, until told to stop",
		Long: `Run polls every collection of the config and publishes its changes, until SIGTERM
or SIGINT. What it has read is committed before it ends, if Kafka is there to commit it;
at the next start it goes on where Kafka says it is, whatever became of the process in
between.

It may be started twice by mistake: the second takes the lanes over, and the first ends
with code 5 and names the other. Under systemd, RestartPreventExitStatus=5 keeps the
first from taking them back.`,
		Example: `  tributary run -c tributary.yaml
  tributary run --until-caught-up     # for a cron job: ends with 0 when all is read
  tributary run --dev                 # no Kafka needed, and nothing is kept`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runConnector(cmd.Context(), a, f) },
	}
	configFlag(cmd, &f.config)
	cmd.Flags().BoolVar(&f.untilCaughtUp, "until-caught-up", false,
		"end with 0 when every collection is read to its end and committed, with 1 when the rest is and one cannot be")
	cmd.Flags().BoolVar(&f.bootstrap, "bootstrap", false,
		"let a collection that has no state begin although its topic holds records: everything is published again")
	cmd.Flags().BoolVar(&f.dev, "dev", false,
		"use a Kafka inside this process instead of kafka.brokers, print the changes, keep nothing")
	return cmd
}

func runConnector(ctx context.Context, a *app, f runFlags) error {
	cfg, err := LoadConfig(f.config, a.env)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	screen := newScreen(a.stderr)
	var level slog.LevelVar
	log := newLogger(cfg.Log, &level, screen)
	var dev *devKafka
	if f.dev {
		if dev, err = startDev(cfg); err != nil {
			return err
		}
		defer dev.Close()
		screen.live = false // the changes on stdout would move what is to be erased
		fmt.Fprint(a.stderr, devWarning)
	}
	kafka, err := cfg.Kafka.Opts()
	if err != nil {
		return err
	}
	reg := newRegistry(a.version)
	if f.untilCaughtUp {
		cfg.pullAtStart()
	}
	e := newEngine(cfg, kafka, log, connector.NewMetrics(reg), a.version)
	e.bootstrap = f.bootstrap
	if f.untilCaughtUp {
		e.giveUp = 3
	}
	if err := e.openReplicas(ctx); err != nil {
		return err
	}
	stopReplicas := e.runReplicas(ctx)
	defer stopReplicas()
	plane, err := newPlane(a, e, &level)
	if err != nil {
		return err
	}
	defer plane.Close()
	api := newControl(cfg, plane, e.log)
	defer api.Close()
	serve, err := newListening(cfg, log, reg, f.untilCaughtUp || f.dev)
	if err != nil {
		return err
	}
	stopServer, err := serve.start("listen", cfg.Listen, newServer(reg, e.health, api, cfg.Control.wantsCertificate()))
	if err != nil {
		return err
	}
	defer stopServer()
	if cfg.ConnectListen != "" {
		stopConnect, err := serve.start("connect_listen", cfg.ConnectListen, newConnectServer(cfg, plane, log))
		if err != nil {
			return err
		}
		defer stopConnect()
		log.Info("Kafka Connect's REST API is served", "connect_listen", cfg.ConnectListen)
	}
	log.Info("starting", "version", a.version, "group", cfg.Group, "instance", cfg.Instance, "run", e.run,
		"sources", len(cfg.Sources), "collections", len(e.collections), "listen", cfg.Listen)

	var helpers sync.WaitGroup
	var stuck []string
	if f.untilCaughtUp {
		helpers.Go(func() {
			stuck = e.awaitCaughtUp(ctx)
			if err := e.catchUpReplicas(ctx); err != nil && ctx.Err() == nil {
				stuck = append(stuck, err.Error())
			}
			if ctx.Err() != nil {
				stuck = []string{"told to stop before every collection had caught up"}
			}
			cancel()
		})
	}
	helpers.Go(func() { e.watch(ctx, screen) })
	if dev != nil {
		helpers.Go(func() { dev.print(ctx, a.stdout, newPainter(a.stdout)) })
	}
	began := time.Now()
	context.AfterFunc(ctx, func() {
		log.Info("stopping: what was read is committed first")
		plane.stopping()
	})
	err = e.Run(ctx)
	plane.finish()
	log.Info("stopped", "ran", time.Since(began).Round(time.Millisecond))
	cancel()
	helpers.Wait()
	return ended(err, stuck)
}

// pullAtStart has everything pulled at once, whatever the triggers say: a run that ends when
// all has caught up would wait until tomorrow for a schedule, or for ever.
func (c *Config) pullAtStart() {
	for i := range c.Sources {
		s := &c.Sources[i]
		if s.Handler != nil {
			s.Handler.Pulls.Triggers.OnRestart = true
		}
		for j := range s.Collections {
			s.Collections[j].Settings.Triggers.OnRestart = true
		}
	}
}

// ended turns how a run ended into an exit code.
func ended(err error, stuck []string) error {
	var fenced *sink.FencedError
	switch {
	case errors.As(err, &fenced):
		return &exitError{code: exitFenced, err: err}
	case err != nil:
		return &exitError{code: exitFailed, err: err}
	case len(stuck) > 0:
		return &exitError{code: exitFailed, err: fmt.Errorf("not caught up:\n  %s", strings.Join(stuck, "\n  "))}
	}
	return nil
}

// patience is for how long nothing else is outstanding before a collection that is
// quarantined or refused is given up on.
const patience = 3 * time.Second

// awaitCaughtUp returns when every collection has caught up, or is stuck for a while
// after all others have: then it names those.
func (e *engine) awaitCaughtUp(ctx context.Context) []string {
	var since time.Time
	for {
		var stuck []string
		waiting := false
		for _, c := range e.collections {
			caughtUp, why := c.done()
			switch {
			case why != "":
				stuck = append(stuck, c.CollectionConfig.String()+": "+why)
			case !caughtUp:
				waiting = true
			}
		}
		slices.Sort(stuck)
		switch {
		case waiting:
			since = time.Time{}
		case len(stuck) == 0:
			return nil
		case since.IsZero():
			since = time.Now()
		case time.Since(since) >= patience:
			return stuck
		}
		if sleep(ctx, 20*time.Millisecond) != nil {
			return nil
		}
	}
}

// newRegistry returns a registry with what every process shows.
func newRegistry(version string) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	info := buildInfo()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "tributary", Name: "build_info", Help: "1, with what was built in its labels.",
		ConstLabels: prometheus.Labels{"version": version, "revision": info.Revision, "goversion": info.Go},
	})
	build.Set(1)
	reg.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}
