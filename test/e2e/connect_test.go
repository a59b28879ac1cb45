//go:build unix

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	client "github.com/cloudhut/connect-client"

	"tributary/connector"
	"tributary/test/hostile"
)

const connectToken = "token-of-the-test-0123"

// connect is a running connector as the tools of Kafka Connect see it.
type connect struct {
	*client.Client
	t   *testing.T
	url string
}

// withConnect has the connector serve Kafka Connect's API too.
func (r *rig) withConnect() *connect {
	r.t.Helper()
	address := freeAddress(r.t)
	r.config.more = fmt.Sprintf("connect_listen: %s\ncontrol: {token: %s}\n", address, connectToken)
	url := "http://" + address
	return &connect{client.NewClient(client.WithHost(url), client.WithBasicAuth("tool", connectToken)), r.t, url}
}

// is waits until a connector is in a state, and returns its trace.
func (c *connect) is(name, state string) (trace string) {
	c.t.Helper()
	eventually(c.t, soon, name+" is "+state, func() bool {
		s, err := c.GetConnectorStatus(c.t.Context(), name)
		trace = s.Connector.Trace
		return err == nil && s.Connector.State == state
	})
	return trace
}

// must does something with crm.people that has to succeed.
func (c *connect) must(do func(context.Context, string) error) {
	c.t.Helper()
	if err := do(c.t.Context(), "crm.people"); err != nil {
		c.t.Fatal(err)
	}
}

// offsets asks what the client has no call for.
func (c *connect) offsets(method, body string) (code int, answer string) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+"/connectors/crm.people/offsets", strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.SetBasicAuth("tool", connectToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// cursor reads the one offset, "" if there is none.
func (c *connect) cursor() string {
	c.t.Helper()
	code, body := c.offsets("GET", "")
	var all struct {
		Offsets []struct{ Partition, Offset map[string]string }
	}
	if err := json.Unmarshal([]byte(body), &all); code != 200 || err != nil || len(all.Offsets) > 1 {
		c.t.Fatalf("offsets: %d %s", code, body)
	}
	if len(all.Offsets) == 0 {
		return ""
	}
	return all.Offsets[0].Offset["cursor"]
}

// TestToolsOfKafkaConnectOperateARunningConnector, with the client of Redpanda Console. What
// they do loses nothing and publishes nothing twice, which the oracle judges.
func TestToolsOfKafkaConnectOperateARunningConnector(t *testing.T) {
	t.Parallel()
	r := small(t)
	c := r.withConnect()
	p := r.run()
	p.says(soon, `msg="caught up"`)
	c.is("crm.people", "RUNNING")
	c.is("crm.accounts", "RUNNING")
	root, err := c.GetRoot(t.Context())
	if metadata, err2 := r.admin().BrokerMetadata(r.context()); err != nil || err2 != nil || root.KafkaClusterID != metadata.Cluster || root.Version != "4.1.0" {
		t.Errorf("root: %+v %v, %+v %v", root, err, metadata, err2)
	}
	all, err := c.ListConnectorsExpanded(t.Context())
	if err != nil || len(all) != 2 || all["crm.people"].Info.Config["kafka.topic"] != r.topic("people") || len(all["crm.people"].Status.Tasks) != 1 {
		t.Errorf("connectors: %+v, %v", all, err)
	}
	r.converge(r.oracle("people", "accounts"), soon)

	c.must(c.PauseConnector)
	c.is("crm.people", "PAUSED")
	ends := r.ends(r.topic("people"))
	late := r.api.Insert("people", 3)
	r.api.Insert("accounts", 3)
	r.converge(r.oracle("accounts"), soon) // which is not paused
	equalEnds(t, ends, r.ends(r.topic("people")))
	c.must(c.ResumeConnector)
	r.converge(r.oracle("people"), soon)
	if n := r.perKey(r.topic("people"))[late[0]]; n != 1 {
		t.Errorf("what was written while it was paused was published %d times", n)
	}
	if _, err := net.DialTimeout("tcp", strings.TrimPrefix(c.url, "http://"), time.Second); err != nil {
		t.Error(err)
	}
	anybody := client.NewClient(client.WithHost(c.url))
	var refused client.ApiError
	if err := anybody.PauseConnector(t.Context(), "crm.people"); !errors.As(err, &refused) || refused.ErrorCode != http.StatusUnauthorized {
		t.Errorf("without the token: %v", err)
	}
	p.running()
	p.stop()
	r.right("people", "accounts")
	if strings.Contains(p.log.String(), connectToken) {
		t.Error("the log shows the token")
	}
}

// TestOffsetsAreSetOverKafkaConnectsAPI: read, altered and reset while the connector runs,
// and nothing comes twice.
func TestOffsetsAreSetOverKafkaConnectsAPI(t *testing.T) {
	t.Parallel()
	r := small(t)
	c := r.withConnect()
	p := r.run()
	p.says(soon, `msg="caught up"`)
	r.converge(r.oracle("people", "accounts"), soon)
	r.settled(soon)
	ends := r.ends(r.topic("people"))
	before := c.cursor()
	shown, err1 := connector.ParseInstant(r.cursor("people"))
	if at, err := connector.ParseInstant(before); err != nil || err1 != nil || at != shown {
		t.Errorf("the offset is %q, the state has %q: %v, %v", before, r.cursor("people"), err, err1)
	}
	const back = `{"offsets":[{"partition":{"collection":"people"},"offset":{"cursor":"2020-01-01T00:00:00Z"}}]}`
	for _, method := range []string{"PATCH", "DELETE"} {
		if code, body := c.offsets(method, back); code != 400 || !strings.Contains(body, "must be in the STOPPED state") {
			t.Errorf("%s of one that runs: %d %s", method, code, body)
		}
	}
	c.must(c.StopConnector)
	c.is("crm.people", "STOPPED")
	if code, body := c.offsets("PATCH", back); code != 200 || !strings.Contains(body, "altered successfully") {
		t.Fatalf("PATCH: %d %s", code, body)
	}
	eventually(t, soon, "the cursor is where it was set to", func() bool { return c.cursor() == "2020-01-01T00:00:00Z" })
	c.is("crm.people", "STOPPED")
	c.must(c.ResumeConnector)
	eventually(t, soon, "it was read on from there", func() bool { return c.cursor() == before })
	c.must(c.StopConnector)
	if code, body := c.offsets("DELETE", ""); code != 200 || !strings.Contains(body, "reset successfully") {
		t.Fatalf("DELETE: %d %s", code, body)
	}
	eventually(t, soon, "there is no offset", func() bool { return c.cursor() == "" })
	c.must(c.ResumeConnector)
	eventually(t, soon, "it was read again", func() bool { return c.cursor() == before })
	r.settled(soon)
	equalEnds(t, ends, r.ends(r.topic("people")))
	r.api.Insert("people", 3)
	r.converge(r.oracle("people"), soon)
	p.running()
	p.stop()
	r.right("people", "accounts")
}

// TestAFailedConnectorIsRestarted: an error has stopped its collection, a person has seen to
// it, and a restart goes on without a restart of the process.
func TestAFailedConnectorIsRestarted(t *testing.T) {
	t.Parallel()
	r := newRig(t, hostile.Config{Collections: []string{"people"}})
	for i := range 250 {
		r.api.InsertAt("people", 1, hostile.Timing{Backdate: time.Hour - time.Duration(i)*10*time.Second})
	}
	r.withCalm()
	c := r.withConnect()
	r.api.Set(hostile.Hostility{IgnoreFilter: 1})
	p := r.run()
	trace := c.is("crm.people", "FAILED")
	if !strings.HasPrefix(trace, "PollError: ") || !strings.Contains(trace, "the filter") || !strings.Contains(trace, "\nRemedy: ") {
		t.Errorf("trace: %q", trace)
	}
	r.calmGoesOn(p)
	c.is("calm.people", "RUNNING")
	r.api.Set(hostile.Hostility{})
	if err := c.RestartConnector(t.Context(), "crm.people", client.RestartConnectorOptions{IncludeTasks: true, OnlyFailed: true}); err != nil {
		t.Fatal(err)
	}
	if trace := c.is("crm.people", "RUNNING"); trace != "" {
		t.Errorf("it runs, and its trace is %q", trace)
	}
	r.converge(r.oracle("people"), soon)
	p.running()
	p.stop()
	r.right("people")
}
