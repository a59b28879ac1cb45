//go:build unix

package e2e

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tributary/test/hostile"
	"tributary/test/tokenserver"
)

var address = regexp.MustCompile(`http://\S+`)

// browse opens the address that a login prints, as a browser does.
func browse(t *testing.T, p *process) {
	t.Helper()
	eventually(t, soon, "an address to open is printed", func() bool { return address.MatchString(p.out.String()) })
	resp, err := http.Get(address.FindString(p.out.String()))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || !strings.Contains(string(text), "Back to the terminal") {
		t.Fatalf("the browser shows %d %s", resp.StatusCode, text)
	}
}

type tokenStatus struct {
	Source, Flow, State, Key, Advice, Intent, Expiry string
	Number                                           int
}

func (r *rig) tokenStatus() tokenStatus {
	r.t.Helper()
	code, out, log := r.command("auth", "status", "-o", "json")
	if code != 0 {
		r.t.Fatalf("auth status ended with code %d\n%s", code, log)
	}
	return decode[[]tokenStatus](r.t, out)[0]
}

// The life of an account: nobody has logged in, somebody does, it is revoked, somebody
// logs in again, another token is imported, the key is changed. The connector is started
// once, and another source of its goes on all the time.
func TestALoginMendsASourceWhileTheConnectorRuns(t *testing.T) {
	t.Parallel()
	r, tokens := newOAuthRig(t, tokenserver.Config{Life: 4 * time.Second, Revoke: true}, hostile.Config{Collections: []string{"people"}})
	other, err := hostile.Start(hostile.Config{Collections: []string{"accounts"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	r.config.sources = append(r.config.sources, newSource("other", other.URL, "accounts"))
	r.config.sources[0].auth = oauthConfig(tokens, "auth_url: "+quoted(tokens.URL+"/authorize"), "device_url: "+quoted(tokens.URL+"/device"))
	r.api.Insert("people", 50)
	if s := r.tokenStatus(); s.State != "none" || !strings.Contains(s.Advice, "tributary auth login crm") {
		t.Errorf("before all: %+v", s)
	}

	once := r.run("--until-caught-up")
	if code := once.wait(soon); code != 1 || !strings.Contains(once.log.String(), "crm.people: ") {
		t.Errorf("run --until-caught-up without a token ended with code %d", code)
	}
	p := r.run()
	p.says(soon, "reauth required", "tributary auth login crm")
	eventually(t, soon, "the collection waits for a person", func() bool {
		return p.metric("tributary_collection_state", "source", "crm", "state", "reauth_required") == 1 && p.metric("tributary_oauth_reauth_required", "source", "crm") == 1
	})
	p.says(soon, "caught up", "source=other")

	login := r.run2("auth", "login", "crm", "--no-browser")
	browse(t, login)
	if code := login.wait(soon); code != 0 {
		t.Fatalf("login ended with code %d", code)
	}
	p.says(soon, "caught up", "source=crm")
	var s tokenStatus
	eventually(t, soon, "the token of the login is kept", func() bool { // at some moments it is being refreshed
		s = r.tokenStatus()
		return s.State == "ok"
	})
	if s.Key != "k1" || s.Number < 1 {
		t.Errorf("after a login: %+v", s)
	}

	tokens.Server.Revoke("by its owner")
	p.says(soon, "does not take the refresh token any more")
	device := r.run2("auth", "login", "crm", "--device")
	eventually(t, soon, "a code is printed", func() bool { return strings.Contains(device.out.String(), "ABCD-EFGH") })
	if tokens.Server.AllowDevices() != 1 {
		t.Error("no device waits")
	}
	if code := device.wait(soon); code != 0 {
		t.Fatalf("login of a device ended with code %d", code)
	}
	r.api.Insert("people", 50)
	r.converge(r.oracle("people"), soon)

	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(tokens.Server.Login()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, log := r.command("auth", "import", "crm", "--file", file); code != 0 {
		t.Fatalf("import ended with code %d\n%s", code, log)
	}
	r.api.Insert("people", 50)
	r.converge(r.oracle("people"), soon)
	if err := tokens.Server.Kept(); err != nil {
		t.Error(err)
	}

	// The key: a new one before the old one, a restart, and then the old one goes.
	p.stop()
	const newKey = `{id: k2, key: "NjQgYml0cyBhcmUgbm90IGVub3VnaCBmb3IgYSBrZXk="}`
	old := r.config.seal
	r.config.seal = strings.Replace(old, "[", "["+newKey+", ", 1)
	p = r.run()
	p.says(soon, "caught up", "source=crm")
	if code, out, log := r.command("auth", "rotate-key"); code != 0 {
		t.Fatalf("rotate-key ended with code %d\n%s%s", code, out, log)
	}
	if s := r.tokenStatus(); s.Key != "k2" {
		t.Errorf("after rotate-key: %+v", s)
	}
	r.converge(r.oracle("people"), soon)
	p.stop()
	r.config.seal = "{keys: [" + newKey + "]}"
	p = r.run()
	p.says(soon, "caught up", "source=crm")
	p.stop()
	if err := tokens.Server.Kept(); err != nil {
		t.Error(err)
	}

	// A wrong key stops that source, says so, and loses nothing.
	r.config.seal = old
	if s := r.tokenStatus(); s.State != "unreadable" || !strings.Contains(s.Advice, `key "k2"`) {
		t.Errorf("without the key: %+v", s)
	}
	p = r.run()
	p.says(soon, "reauth required", `sealed by key "k2"`)
	p.says(soon, "caught up", "source=other")
	p.stop()
	r.config.seal = "{keys: [" + newKey + "]}"
	p = r.run()
	p.says(soon, "caught up", "source=crm")
	p.stop()
	if err := tokens.Server.Kept(); err != nil {
		t.Error(err)
	}
	r.right("people")
}

// run2 starts another command with the config.
func (r *rig) run2(args ...string) *process {
	r.t.Helper()
	path, _ := r.file()
	return launch(r.t, append(args, "-c", path)...)
}
