package connect

import (
	"strings"
	"testing"

	"tributary/connector/control"
)

// A call is a request and what a client of Connect is answered.
type call struct {
	method, path, body string
	code               int
	want               string // JSON; "": no body
}

const (
	peopleConfig = `{"name":"crm.people","connector.class":"tributary.SourceConnector","tasks.max":"1","kafka.topic":"crm.people",
		"group":"crm","source":"crm","collection":"people","lane":"0","type":"rest","url":"https://crm.example/v2","interval":"30s"}`
	peopleInfo    = `{"name":"crm.people","config":` + peopleConfig + `,"tasks":[{"connector":"crm.people","task":0}],"type":"source"}`
	peopleRunning = `{"name":"crm.people","connector":{"state":"RUNNING","worker_id":"here:8083"},"tasks":[{"id":0,"state":"RUNNING","worker_id":"here:8083"}],"type":"source"}`
	restartingAll = `{"name":"crm.people","connector":{"state":"RESTARTING","worker_id":"here:8083"},"tasks":[{"id":0,"state":"RESTARTING","worker_id":"here:8083"}],"type":"source"}`
	notStopped    = `{"error_code":400,"message":"Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified connector by issuing a 'PUT' request to the '/connectors/crm.people/stop' endpoint"}`
	noOffsets     = `{"error_code":400,"message":"Partitions / offsets need to be provided for an alter offsets request"}`
	notFound      = `{"error_code":404,"message":"HTTP 404 Not Found"}`
	notAllowed    = `{"error_code":405,"message":"HTTP 405 Method Not Allowed"}`
	cursor        = `{"offsets":[{"partition":{"collection":"people"},"offset":{"cursor":"2026-01-01T00:00:00Z"}}]}`
)

// TestAnswersAreThoseOfConnect lists what a worker of Kafka 4.3.1 answers to the same.
func TestAnswersAreThoseOfConnect(t *testing.T) {
	for _, c := range []call{
		{"GET", "/", "", 200, `{"version":"4.1.0","commit":"tributary-test","kafka_cluster_id":"a-cluster"}`},
		{"GET", "/health", "", 200, `{"status":"healthy","message":"Every lane is acquired."}`},
		{"GET", "/connectors", "", 200, `["crm.people","crm.gone","crm.flaky","crm.fresh"]`},
		{"GET", "/connectors/", "", 200, `["crm.people","crm.gone","crm.flaky","crm.fresh"]`},
		{"GET", "/connectors?expand=what", "", 200, `{"crm.people":{},"crm.gone":{},"crm.flaky":{},"crm.fresh":{}}`},
		{"GET", "/connectors/crm.people", "", 200, peopleInfo},
		{"GET", "/connectors/crm.people/", "", 200, peopleInfo},
		{"GET", "/connectors/crm.people/config", "", 200, peopleConfig},
		{"GET", "/connectors/crm.people/status", "", 200, peopleRunning},
		{"GET", "/connectors/crm.people/tasks", "", 200, `[{"id":{"connector":"crm.people","task":0},"config":` + strings.Replace(peopleConfig, "{", `{"task.class":"tributary.SourceTask",`, 1) + `}]`},
		{"GET", "/connectors/crm.people/tasks/0/status", "", 200, `{"id":0,"state":"RUNNING","worker_id":"here:8083"}`},
		{"GET", "/connectors/crm.people/tasks/1/status", "", 404, `{"error_code":404,"message":"No status found for task crm.people-1"}`},
		{"GET", "/connectors/crm.people/topics", "", 200, `{"crm.people":{"topics":["crm.people"]}}`},
		{"GET", "/connectors/nope/topics", "", 200, `{"nope":{"topics":[]}}`},
		{"PUT", "/connectors/crm.people/topics/reset", "", 202, ""},
		{"GET", "/connectors/crm.people/offsets", "", 200, `{"offsets":[{"partition":{"collection":"people"},"offset":{"cursor":"2026-03-01T11:59:00Z"}}]}`},
		{"GET", "/connectors/crm.fresh/offsets", "", 200, `{"offsets":[]}`},
		{"GET", "/connectors/nope", "", 404, `{"error_code":404,"message":"Connector nope not found"}`},
		{"GET", "/connectors/crm.nope/status", "", 404, `{"error_code":404,"message":"No status found for connector crm.nope"}`},
		{"GET", "/connectors/crm.nope/config", "", 404, `{"error_code":404,"message":"Connector crm.nope not found"}`},
		{"GET", "/connectors/crm.nope/tasks", "", 404, `{"error_code":404,"message":"Connector crm.nope not found"}`},
		{"GET", "/connectors/crm.nope/offsets", "", 404, `{"error_code":404,"message":"Connector crm.nope not found"}`},
		{"DELETE", "/connectors/crm.nope/offsets", "", 404, `{"error_code":404,"message":"Connector crm.nope not found"}`},
		{"PATCH", "/connectors/crm.nope/offsets", cursor, 404, `{"error_code":404,"message":"Connector crm.nope not found"}`},
		{"GET", "/nope", "", 404, notFound},
		{"GET", "/connectors/crm.people/nope", "", 404, notFound},
		{"GET", "/connectors/crm.people/tasks/0/nope/1", "", 404, notFound},
		{"PUT", "/connectors/crm.people", "{}", 405, notAllowed},
		{"DELETE", "/connectors", "", 405, notAllowed},
		{"POST", "/", "", 405, notAllowed},

		{"PUT", "/connectors/crm.people/pause", "", 202, ""},
		{"PUT", "/connectors/crm.people/resume", "", 202, ""},
		{"PUT", "/connectors/crm.people/stop", "", 204, ""},
		{"PUT", "/connectors/crm.nope/pause", "", 404, `{"error_code":404,"message":"Unknown connector crm.nope"}`},
		{"PUT", "/connectors/crm.nope/resume", "", 404, `{"error_code":404,"message":"Unknown connector crm.nope"}`},
		{"PUT", "/connectors/crm.nope/stop", "", 404, `{"error_code":404,"message":"Unknown connector crm.nope"}`},
		{"POST", "/connectors/crm.people/restart", "", 204, ""},
		{"POST", "/connectors/crm.people/restart?includeTasks=false&onlyFailed=false", "", 204, ""},
		{"POST", "/connectors/crm.people/restart?includeTasks=true&onlyFailed=false", "", 202, restartingAll},
		{"POST", "/connectors/crm.people/restart?includeTasks=true&onlyFailed=true", "", 202, peopleRunning},
		{"POST", "/connectors/crm.nope/restart", "", 404, `{"error_code":404,"message":"Unknown connector: crm.nope"}`},
		{"POST", "/connectors/crm.people/tasks/0/restart", "", 204, ""},
		{"POST", "/connectors/crm.people/tasks/7/restart", "", 404, `{"error_code":404,"message":"Unknown task: crm.people-7"}`},
		{"POST", "/connectors/crm.nope/tasks/0/restart", "", 404, `{"error_code":404,"message":"Unknown connector: crm.nope"}`},

		{"DELETE", "/connectors/crm.people/offsets", "", 400, notStopped},
		{"PATCH", "/connectors/crm.people/offsets", cursor, 400, notStopped},
		{"PATCH", "/connectors/crm.people/offsets", `{"offsets":[]}`, 400, noOffsets},
		{"PATCH", "/connectors/crm.people/offsets", `{}`, 400, noOffsets},

		{"GET", "/connector-plugins", "", 200, `[{"class":"tributary.SourceConnector","type":"source","version":"test"}]`},
		{"GET", "/connector-plugins?connectorsOnly=false", "", 200, `[{"class":"tributary.SourceConnector","type":"source","version":"test"}]`},
		{"GET", "/connector-plugins/nope/config", "", 404, `{"error_code":404,"message":"Unknown plugin nope."}`},
		{"GET", "/admin/loggers", "", 200, `{"root":{"level":"INFO","last_modified":null}}`},
		{"GET", "/admin/loggers/root", "", 200, `{"level":"INFO","last_modified":null}`},
		{"PUT", "/admin/loggers/root", `{"level":"DEBUG"}`, 200, `["root"]`},
		{"PUT", "/admin/loggers/root?scope=worker", `{"level":"debug"}`, 200, `["root"]`},
		{"PUT", "/admin/loggers/root?scope=cluster", `{"level":"DEBUG"}`, 204, ""},
		{"PUT", "/admin/loggers/root", `{}`, 400, `{"error_code":400,"message":"Desired 'level' parameter was not specified in request."}`},
		{"PUT", "/admin/loggers/root", `{"level":"LOUD"}`, 404, `{"error_code":404,"message":"Invalid log level 'LOUD': there are DEBUG, INFO, WARN and ERROR"}`},
		{"PUT", "/admin/loggers/org.x", `{"level":"DEBUG"}`, 404, `{"error_code":404,"message":"Logger org.x not found: there is one, root"}`},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			_, h := world()
			w := ask(h, c.method, c.path, c.body)
			c.check(t, w.Code, w.Body.String())
		})
	}
}

func (c call) check(t *testing.T, code int, body string) {
	t.Helper()
	if code != c.code {
		t.Errorf("%d, want %d: %s", code, c.code, body)
	}
	if (body == "") != (c.want == "") || body != "" && !sameJSON(t, body, c.want) {
		t.Errorf("got %s\nwant %s", body, c.want)
	}
}

// TestAStoppedConnector goes through what can be done with one, in its order.
func TestAStoppedConnector(t *testing.T) {
	p, h := world()
	const stopped = `{"name":"crm.people","connector":{"state":"STOPPED","worker_id":"here:8083"},"tasks":[],"type":"source"}`
	const altered = `{"message":"The offsets for this connector have been altered successfully"}`
	for _, c := range []call{
		{"PUT", "/connectors/crm.people/stop", "", 204, ""},
		{"PUT", "/connectors/crm.people/stop", "", 204, ""},
		{"GET", "/connectors/crm.people/status", "", 200, stopped},
		{"GET", "/connectors/crm.people", "", 200, strings.Replace(peopleInfo, `[{"connector":"crm.people","task":0}]`, "[]", 1)},
		{"GET", "/connectors/crm.people/tasks", "", 200, "[]"},
		{"GET", "/connectors/crm.people/tasks/0/status", "", 404, `{"error_code":404,"message":"No status found for task crm.people-0"}`},
		{"POST", "/connectors/crm.people/restart", "", 204, ""},
		{"POST", "/connectors/crm.people/restart?includeTasks=true", "", 202, stopped},
		{"POST", "/connectors/crm.people/tasks/0/restart", "", 404, `{"error_code":404,"message":"Unknown task: crm.people-0"}`},
		{"PATCH", "/connectors/crm.people/offsets", cursor, 200, altered},
		{"PATCH", "/connectors/crm.people/offsets", `{"offsets":[{"partition":{"collection":"people"},"offset":{"cursor":"beginning"}}]}`, 200, altered},
		{"PATCH", "/connectors/crm.people/offsets", `{"offsets":[{"partition":{"collection":"people"},"offset":null}]}`, 200, altered},
		{"DELETE", "/connectors/crm.people/offsets", "", 200, `{"message":"The offsets for this connector have been reset successfully"}`},
		{"GET", "/connectors/crm.people/offsets", "", 200, `{"offsets":[]}`},
		{"PUT", "/connectors/crm.people/resume", "", 202, ""},
		{"GET", "/connectors/crm.people/status", "", 200, peopleRunning},
	} {
		w := ask(h, c.method, c.path, c.body)
		t.Log(c.method, c.path, c.body)
		c.check(t, w.Code, w.Body.String())
	}
	want := "hold stopped crm.people, hold stopped crm.people, cursor 2026-01-01T00:00:00Z crm.people, cursor beginning crm.people, " +
		"reset republish=false crm.people, reset republish=false crm.people, hold  crm.people"
	if got := strings.Join(p.Calls(), ", "); got != want {
		t.Errorf("asked of the plane: %s\nwant %s", got, want)
	}
}

// TestOffsetsThatCannotBeMeantChangeNothing asks with bodies that Connect, or we, refuse.
func TestOffsetsThatCannotBeMeantChangeNothing(t *testing.T) {
	for _, body := range []string{
		`{"offsets":[`, `[]`, `{"zzz":1}`, `{"offsets":[{"offset":{"cursor":"2026-01-01T00:00:00Z"}}]}`,
		`{"offsets":[{"partition":{"collection":"others"},"offset":{"cursor":"2026-01-01T00:00:00Z"}}]}`,
		`{"offsets":[{"partition":{"collection":"people","x":1},"offset":{"cursor":"2026-01-01T00:00:00Z"}}]}`,
		`{"offsets":[{"partition":{"collection":"people"},"offset":{}}]}`,
		`{"offsets":[{"partition":{"collection":"people"},"offset":{"cursor":7}}]}`,
		`{"offsets":[{"partition":{"collection":"people"},"offset":{"cursor":""}}]}`,
		`{"offsets":[{"partition":{"collection":"people"},"offset":{"cursor":"2026-01-01T00:00:00Z","x":1}}]}`,
		`{"offsets":[{"partition":{"collection":"people"},"offset":null},{"partition":{"collection":"people"},"offset":null}]}`,
		`{"offsets":[]} {"offsets":[]}`, strings.Repeat(" ", maxBody+1),
	} {
		p, h := world()
		p.Set(people, func(c *control.Collection) { c.Hold = control.HoldStopped })
		w := ask(h, "PATCH", "/connectors/crm.people/offsets", body)
		if w.Code != 400 && w.Code != 413 {
			t.Errorf("%.80s: %d %s", body, w.Code, w.Body)
		}
		if len(p.Calls()) > 0 {
			t.Errorf("%.80s: asked of the plane: %q", body, p.Calls())
		}
	}
}

// TestConfigsAreNotWritten tries every way to do so.
func TestConfigsAreNotWritten(t *testing.T) {
	p, h := world()
	for _, c := range []call{
		{method: "POST", path: "/connectors", body: `{"name":"z","config":{"connector.class":"tributary.SourceConnector"}}`},
		{method: "POST", path: "/connectors/", body: `{"name":"z","config":{}}`},
		{method: "PUT", path: "/connectors/crm.people/config", body: `{"interval":"1s"}`},
		{method: "PATCH", path: "/connectors/crm.people/config", body: `{"interval":"1s"}`},
		{method: "DELETE", path: "/connectors/crm.people"},
	} {
		w := ask(h, c.method, c.path, c.body)
		if w.Code != 405 || !strings.Contains(w.Body.String(), `"error_code":405,"message":"the configuration is file-managed`) {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
	}
	if len(p.Calls()) > 0 {
		t.Errorf("asked of the plane: %q", p.Calls())
	}
}
