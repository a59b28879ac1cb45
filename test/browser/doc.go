// Package browser tests the status page in a real browser, Debian's Chromium, over a plane
// that runs nothing and over a real `tributary run`. Without the browser its tests are
// skipped, unless TRIBUTARY_REQUIRE_BROWSER is set.
package browser
