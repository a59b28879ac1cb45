package connect

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	client "github.com/cloudhut/connect-client"

	"tributary/connector/control/controltest"
)

// dial returns a plane and the client that Redpanda Console has, which asks it over HTTP.
func dial(t *testing.T) (*controltest.Plane, *client.Client) {
	t.Helper()
	p, h := world()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return p, client.NewClient(client.WithHost(s.URL), client.WithUserAgent("test"))
}

// TestTheClientOfRedpandaConsoleReads asks everything that it can ask.
func TestTheClientOfRedpandaConsoleReads(t *testing.T) {
	_, c := dial(t)
	ctx := t.Context()
	root, err := c.GetRoot(ctx)
	if err != nil || root != (client.RootResource{Version: "4.1.0", Commit: "tributary-test", KafkaClusterID: "a-cluster"}) {
		t.Errorf("root: %+v, %v", root, err)
	}
	names, err := c.ListConnectors(ctx)
	if err != nil || strings.Join(names, " ") != "crm.people crm.gone crm.flaky crm.fresh" {
		t.Errorf("names: %q, %v", names, err)
	}
	one, err := c.GetConnector(ctx, "crm.people")
	if err != nil || one.Type != "source" || one.Config["kafka.topic"] != "crm.people" || len(one.Tasks) != 1 || one.Tasks[0].Connector != "crm.people" {
		t.Errorf("connector: %+v, %v", one, err)
	}
	cfg, err := c.GetConnectorConfig(ctx, "crm.people")
	if err != nil || cfg["connector.class"] != class || cfg["interval"] != "30s" {
		t.Errorf("config: %v, %v", cfg, err)
	}
	topics, err := c.GetConnectorTopics(ctx, "crm.people")
	if err != nil || strings.Join(topics["crm.people"].Topics, " ") != "crm.people" {
		t.Errorf("topics: %v, %v", topics, err)
	}
	plugins, err := c.GetConnectorPlugins(ctx)
	if err != nil || len(plugins) != 1 || plugins[0] != (client.ConnectorPluginInfo{Class: class, Type: "source", Version: "test"}) {
		t.Errorf("plugins: %v, %v", plugins, err)
	}
	found, err := c.PutValidateConnectorConfig(ctx, class, client.ValidateConnectorConfigOptions{Config: map[string]any{"connector.class": class, "interval": "5s"}})
	if err != nil || found.ErrorCount != 0 || len(found.Configs) != len(keysOf) || found.Name != class {
		t.Errorf("validation: %+v, %v", found, err)
	}
	_, err = c.GetConnector(ctx, "crm.nope")
	if want := (client.ApiError{ErrorCode: 404, Message: "Connector crm.nope not found"}); !errors.Is(err, want) {
		t.Errorf("a connector that there is not: %v", err)
	}
}

// TestTheClientOfRedpandaConsoleSeesEveryState reads the list that its overview is made
// from.
func TestTheClientOfRedpandaConsoleSeesEveryState(t *testing.T) {
	_, c := dial(t)
	all, err := c.ListConnectorsExpanded(t.Context())
	if err != nil || len(all) != 4 {
		t.Fatalf("%v, %v", all, err)
	}
	for name, want := range map[string]string{"crm.people": running, "crm.gone": failed, "crm.flaky": running, "crm.fresh": unassigned} {
		got := all[name]
		if got.Info.Name != name || got.Status.Name != name || got.Status.Connector.State != want || len(got.Status.Tasks) != 1 || got.Status.Tasks[0].State != want {
			t.Errorf("%s: %+v", name, got)
		}
		one, err := c.GetConnectorStatus(t.Context(), name)
		if err != nil || one.Connector != got.Status.Connector {
			t.Errorf("%s: %+v, %v", name, one, err)
		}
	}
	if trace := all["crm.flaky"].Status.Connector.Trace; trace != "PollError: GET /v2/things: 503 Service Unavailable\nLast error at 2026-03-01T11:59:50Z" {
		t.Errorf("a request that is tried again: %q", trace)
	}
}

// TestTheClientOfRedpandaConsoleOperates does everything that it can do.
func TestTheClientOfRedpandaConsoleOperates(t *testing.T) {
	p, c := dial(t)
	on := func(do func(context.Context, string) error) error { return do(t.Context(), "crm.people") }
	for _, step := range []struct {
		what string
		err  error
	}{
		{"pause", on(c.PauseConnector)},
		{"resume", on(c.ResumeConnector)},
		{"stop", on(c.StopConnector)},
		{"resume after a stop", on(c.ResumeConnector)},
		{"restart", c.RestartConnector(t.Context(), "crm.people", client.RestartConnectorOptions{IncludeTasks: true})},
		{"restart of what failed, which it has not", c.RestartConnector(t.Context(), "crm.people", client.RestartConnectorOptions{IncludeTasks: true, OnlyFailed: true})},
		{"restart of a task", c.RestartConnectorTask(t.Context(), "crm.people", 0)},
		{"topics reset", on(c.ResetConnectorTopics)},
	} {
		if step.err != nil {
			t.Errorf("%s: %v", step.what, step.err)
		}
	}
	want := "hold paused crm.people, hold  crm.people, hold stopped crm.people, hold  crm.people, restart crm.people, restart crm.people"
	if got := strings.Join(p.Calls(), ", "); got != want {
		t.Errorf("asked of the plane: %s\nwant %s", got, want)
	}
	_, created := c.CreateConnector(t.Context(), client.CreateConnectorRequest{Name: "z", Config: map[string]any{"connector.class": class}})
	_, put := c.PutConnectorConfig(t.Context(), "crm.people", client.PutConnectorConfigOptions{Config: map[string]any{"interval": "1s"}})
	for what, err := range map[string]error{"create": created, "put": put, "delete": on(c.DeleteConnector)} {
		var refused client.ApiError
		if !errors.As(err, &refused) || refused.ErrorCode != 405 || !strings.HasPrefix(refused.Message, "the configuration is file-managed") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
