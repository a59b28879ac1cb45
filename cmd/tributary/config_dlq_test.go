package main

import "testing"

func TestADeadLetterQueueIsTheCollectionsOrTheFilesOrTheGroups(t *testing.T) {
	const sources = `
group: crm
kafka: {brokers: [k:9092]}
sources:
  - name: shop
    preset: shop
    auth: {bearer: "${env:TOKEN}"}
    on_bad_record: dlq
    collections:
      - orders
      - {name: parts, path: p, dlq: {topic: parts.bad}}
      - {name: stores, path: s, on_bad_record: skip}
`
	for _, c := range []struct{ file, orders string }{{sources, "crm.dlq"}, {"dlq: {topic: bad}" + sources, "bad"}} {
		cfg := mustParse(t, c.file)
		for name, want := range map[string]string{"shop.orders": c.orders, "shop.parts": "parts.bad", "shop.stores": ""} {
			if got := collectionOf(t, cfg, name).Letters; got != want {
				t.Errorf("%s has %q, want %q", name, got, want)
			}
		}
	}
}
