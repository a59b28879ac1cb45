package main

import (
	"regexp"
	"strings"
	"testing"
)

// sound is a config without a mistake, in which tests make them.
const sound = `group: crm
kafka: {brokers: [k:9092], sasl: {mechanism: PLAIN, username: me, password: "${env:TOKEN}"}}
seal: {keys: [{id: k1, key: 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f}]}
control: {token: "${env:TOKEN}-long-enough"}
sources:
  - name: told
    type: handler
    handler: {url: "http://127.0.0.1:9001", timeout: 60s}
    triggers: {schedule: "0 3 * * *"}
    collections:
      - {name: stock, id: sku}
  - name: preset
    preset: shop
    auth: {oauth2: {flow: client_credentials, token_url: "https://a.test/token", client_id: me, client_secret: "${env:TOKEN}"}}
    collections: [orders]
  - name: mine
    url: https://a.test/v2
    auth: {basic: {username: me, password: "${env:TOKEN}"}}
    cursor: {field: updated_at, from: since}
    page: {size: 100, size_param: per_page}
    budget: {per_minute: 60}
    probe: {max: 50, param: ids}
    deletions: {sweep: {every: 24h, confirm: ids}, feed: {path: gone, cursor: {field: at, from: since}}}
    collections:
      - people
      - name: notes
        interval: 5m
`

func TestAConfigWithoutAMistakeHasNoError(t *testing.T) { mustParse(t, sound) }

// TestOneMistakeIsOneError: what follows from it is not worth a word.
func TestOneMistakeIsOneError(t *testing.T) {
	for _, c := range []struct{ was, is, says string }{
		{"type: handler", "type: handlr", `t.yaml:7:11: sources[0].type wants one of rest, handler; found "handlr"; did you mean "handler"?`},
		{"type: handler", "type: kafka", `t.yaml:7:11: sources[0].type wants one of rest, handler; found "kafka"`},
		{"type: handler", "type: [handler]", "t.yaml:7:11: sources[0].type wants one of rest, handler, found a list"},
		{"    type: handler\n", "", "t.yaml:7:14: sources[0].handler is of a source of type handler: say `type: handler`"},
		{"url: https://a.test/v2", "type: rst\n    url: https://a.test/v2", `t.yaml:17:11: sources[2].type wants one of rest, handler; found "rst"; did you mean "rest"?`},
		{"preset: shop", "preset: salesforce", `t.yaml:13:13: sources[1].preset is "salesforce", which is no preset; there are shop`},
		{"preset: shop", "presets: shop", `t.yaml:13:5: unknown key "presets" in sources[1]; did you mean "preset"?`},
		{"[orders]", "[ordrs]", `t.yaml:15:19: sources[1].collections[0] is "ordrs", which the preset shop does not have; did you mean "orders"? If the API does`},
		{"schedule:", "shedule:", `t.yaml:9:16: unknown key "shedule" in sources[0].triggers; did you mean "schedule"?`},
		{"handler: {url:", "handler: {ulr:", `t.yaml:8:15: unknown key "ulr" in sources[0].handler; did you mean "url"?`},
		{"handler: {url: \"http://127.0.0.1:9001\", timeout: 60s}", "handler: http://127.0.0.1:9001", "t.yaml:8:14: sources[0].handler wants a map"},
		{"    cursor: {field: updated_at", "    cursr: {field: updated_at", `t.yaml:19:5: unknown key "cursr" in sources[2]; did you mean "cursor"?`},
		{"{field: updated_at, from: since}", "updated_at", "t.yaml:19:13: sources[2].cursor wants a map"},
		{"field: updated_at, from: since", "field: updated_at", "t.yaml:19:13: sources[2]: cursor.from is empty"},
		{"    cursor: {field: updated_at, from: since}\n", "", `sources[2].collections[0] needs "cursor": by which field records are ordered, and how to ask for them from there on; 2 collections of this source have none`},
		{"- name: notes", "- nme: notes", `t.yaml:26:9: unknown key "nme" in sources[2].collections[1]; did you mean "name"?`},
		{"{basic: {username: me", "{basic: {user: me", `unknown key "user" in sources[2].auth.basic; did you mean "username"?`},
		{"auth: {basic: {username: me, password: \"${env:TOKEN}\"}}", `basic: {username: me, password: "${env:TOKEN}"}`, `unknown key "basic" in sources[2]; it belongs into "auth": {auth: {basic: …}}`},
		{"budget: {per_minute: 60}", "budget.per_minute: 60", `unknown key "budget.per_minute" in sources[2]; write it as a map: {budget: {per_minute: …}}`},
		{"confirm: ids", "confrm: ids", `unknown key "confrm" in sources[2].deletions.sweep; did you mean "confirm"?`},
		{"confirm: ids", "confirm: idz", `sources[2].deletions.sweep.confirm wants one of ids, get, none; found "idz"; did you mean "ids"?`},
		{"probe: {max: 50, param: ids}", "prob: {max: 50, param: ids}", `unknown key "prob" in sources[2]; did you mean "probe"?`},
		{"group: crm", "group: crm\nconnect_listen: 8083", "t.yaml:2:17: connect_listen wants HOST:PORT"},
		{"      - name: notes\n", "      - name: notes\n      interval: 3s\n", "t.yaml:27:7: not YAML: "},
	} {
		if strings.Count(sound, c.was) == 0 {
			t.Errorf("nothing says %q", c.was)
		}
		_, err := parseTest(strings.Replace(sound, c.was, c.is, 1))
		switch {
		case err == nil:
			t.Errorf("%s: no error", c.is)
		case len(configErrors(err)) != 1 || !strings.Contains(err.Error(), c.says):
			t.Errorf("%s: want one error, that %s; got %d:\n%v", c.is, c.says, len(configErrors(err)), err)
		}
	}
}

// TestEveryMisspeltKeyIsOneError tries each key of the config: none may be passed over, and
// what it was to say must not be missed with a second error.
func TestEveryMisspeltKeyIsOneError(t *testing.T) {
	keys := regexp.MustCompile(`[a-z0-9_]+:[ \n]`).FindAllStringIndex(sound, -1)
	for _, at := range keys {
		key := sound[at[0] : at[1]-2]
		_, err := parseTest(sound[:at[1]-2] + "s" + sound[at[1]-2:])
		switch all := configErrors(err); {
		case err == nil:
			t.Errorf("%ss at %d is passed over", key, at[0])
		case len(all) != 1 || !strings.Contains(all[0].Message, `unknown key "`+key+`s"`) || !strings.Contains(all[0].Message, `did you mean "`+key+`"?`):
			t.Errorf("%ss at %d:\n%v", key, at[0], err)
		}
	}
	if len(keys) < 50 {
		t.Errorf("%d keys", len(keys))
	}
}
