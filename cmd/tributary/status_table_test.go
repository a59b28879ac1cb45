package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tributary/connector/control"
	"tributary/connector/control/controltest"
)

var ansi = regexp.MustCompile("\x1b\\[[0-9;]*m")

// statusOf is a status of collections as they are sorted by the connector.
func statusOf(collections []control.Collection) *status {
	s := &status{Info: controltest.New().Info()}
	s.Collections, s.Total, s.States = collections, len(collections), map[string]int{}
	for _, c := range collections {
		s.States[c.State]++
	}
	return s
}

func TestAFrameFitsItsWindow(t *testing.T) {
	many := controltest.Many(500)
	many[0].Why, many[0].Remedy = strings.Repeat("it went wrong ", 50), "first this\nthen that"
	many[1].Collection = strings.Repeat("long", 60)
	for _, gone := range []error{nil, &goneError{errors.New("the connector has gone, at an address that is quite long: start it")}} {
		for _, width := range []int{10, 20, 40, 60, 80, 100, 120, 200} {
			for _, height := range []int{1, 2, 4, 5, 6, 10, 24, 60} {
				s := sheet{width: width, color: true, now: controltest.Began}
				frame := s.frame(statusOf(many), height, gone, time.Minute)
				if len(frame) > height {
					t.Fatalf("%d×%d: %d lines", width, height, len(frame))
				}
				for _, line := range frame {
					if plain := ansi.ReplaceAllString(line, ""); utf8.RuneCountInString(plain) > width && width >= 40 || strings.Contains(plain, "\n") {
						t.Fatalf("%d×%d: too wide: %q", width, height, plain)
					}
				}
				if last := frame[len(frame)-1]; height >= 6 && !strings.Contains(last, "more") {
					t.Errorf("%d×%d: it does not say that there are more: %q", width, height, last)
				}
			}
		}
	}
}

func TestAFrameCountsWhatItDoesNotShow(t *testing.T) {
	for height, want := range map[int]string{10: "… and 5 more", 14: "collection-09", 30: "collection-09"} {
		s := sheet{now: controltest.Began}
		var ten []control.Collection
		for i := range 10 {
			ten = append(ten, controltest.Collection("a", fmt.Sprintf("collection-%02d", i)))
		}
		frame := s.frame(statusOf(ten), height, nil, 0)
		if last := frame[len(frame)-1]; !strings.Contains(last, want) {
			t.Errorf("%d lines: the last is %q, want %q", height, last, want)
		}
	}
}

func TestAConnectorThatHasGoneIsShownAsItWas(t *testing.T) {
	s := sheet{now: controltest.Began}
	frame := s.frame(statusOf(controltest.Many(3)), 24, &goneError{errors.New("no connector runs")}, 90*time.Second)
	if !strings.HasPrefix(frame[0], "as of 1m30s ago: no connector runs") || len(frame) < 7 {
		t.Errorf("the frame is %q", frame)
	}
}

func TestDurationsAndNumbersAreShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 900 * time.Millisecond: "0s", 59 * time.Second: "59s", time.Minute: "1m00s", 12*time.Minute + 5*time.Second: "12m",
		3*time.Hour + 7*time.Minute: "3h07m", 47 * time.Hour: "47h00m", 100 * time.Hour: "4d",
	} {
		if got := short(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}
