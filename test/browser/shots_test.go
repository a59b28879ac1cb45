//go:build unix

package browser

import (
	"flag"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"

	"tributary/connector/control/controltest"
)

var shots = flag.String("shots", "", "write pictures of the page into this directory")

// TestPictures draws what a person should look at before a change of the page is taken.
func TestPictures(t *testing.T) {
	if *shots == "" {
		t.Skip("-shots DIR writes pictures of the page")
	}
	planes := map[string]func() *controltest.Plane{
		"few": few, "hostile": allWrong, "empty": func() *controltest.Plane { return controltest.New() },
		"many": func() *controltest.Plane { return many(10_000) },
	}
	for _, c := range []struct {
		name, plane, hash, then string
		width, height           int64
		scheme                  string
	}{
		{"few-light", "few", "", "", 1440, 900, "light"},
		{"few-dark", "few", "", "", 1440, 900, "dark"},
		{"few-phone", "few", "", "", 390, 844, "light"},
		{"lost-light", "hostile", "", "fetch = () => Promise.reject(new TypeError()); lose()", 1440, 900, "light"},
		{"help-light", "few", "", "document.querySelector('#keys').click()", 1440, 900, "light"},
		{"empty", "empty", "", "", 1440, 900, "light"},
		{"many-light", "many", "", "", 1440, 1000, "light"},
		{"many-dark-phone", "many", "", "", 390, 844, "dark"},
		{"hostile-light", "hostile", "", "", 1440, 900, "light"},
		{"hostile-dark", "hostile", "", "", 1440, 900, "dark"},
		{"hostile-phone", "hostile", "", "", 390, 1600, "light"},
		{"details-light", "few", "#/salesloft-eu.people?key=7", "document.querySelector('#a-pull').click()", 1440, 1300, "light"},
		{"details-dark", "few", "#/salesloft-eu.people?key=7", "", 1440, 900, "dark"},
		{"details-phone", "few", "#/salesloft-eu.people?key=7", "", 390, 1700, "dark"},
		{"details-guarded", "hostile", "#/eu.cadences?key=1", "document.querySelector('#a-sweep').click()", 1440, 900, "light"},
		{"details-hostile", "hostile", "#/eu.accounts?key=1", "", 1440, 900, "dark"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := serve(t, planes[c.plane]())
			p := open(t, server.URL+"/"+c.hash, c.width, c.height, &emulation.MediaFeature{Name: "prefers-color-scheme", Value: c.scheme})
			p.until(`document.querySelector("#range").textContent || !document.querySelector("#empty").hidden`)
			p.until(`document.querySelectorAll(".tile").length > 0 && document.querySelector("#group").textContent`)
			if c.hash != "" {
				p.until(`document.querySelectorAll("#d-changes li").length > 0`)
			}
			if c.then != "" {
				eval[int](p, c.then+";0")
				p.until(`document.querySelector("dialog[open], #d-result .done, #lost:not([hidden])")`)
			}
			p.shoot(filepath.Join(*shots, c.name+".png"))
		})
	}
}
