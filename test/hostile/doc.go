// Package hostile is an API in the shape of Salesloft's, in process, that does to a
// reader what real ones do: it shows rows late, with stamps older than those they
// overwrite, from replicas that lag, in ties larger than a page, cut, throttled or
// not at all. It remembers everything: every version a record ever had, when it
// turned visible, and who was shown it, so that a judge needs no guess.
//
//	srv, err := hostile.Start(hostile.Config{Collections: []string{"people"}, Seed: 1})
//	if err != nil { … }
//	defer srv.Close()
//	srv.API.Insert("people", 2000)
//	srv.API.Set(hostile.Nasty(5 * time.Second)) // anything a lookback of 5 s must withstand
//	w := hostile.NewWriter(srv.API, 1, 300)     // 300 versions a second
//	go w.Run(ctx)                               // or w.Step(), as often as one likes
//	… run a connector against srv.URL …
//	srv.API.Set(srv.API.Hostility().Calm())
//	srv.API.Quiesce()
//	… compare with srv.API.Truth("people"), or let package oracle judge …
//	fmt.Println(srv.API.Fired()) // a run that injected nothing proves nothing
//
// # Versions
//
// The writes of one record are serialised, as a row lock does it: its versions turn
// visible in the order of their numbers, whatever their stamps say. So the number is
// the order in which the source held them. A bulk turns visible as a whole.
//
// # Clock
//
// Stamps, visibility and the Date header come from one clock, Config.Now. An answer
// is a snapshot of one moment, and its Date is that moment (in whole seconds), also
// when it came from a stale replica or was sent late. In a synctest bubble the API
// lives in virtual time; use it there as an http.Handler, and take a panic with
// http.ErrAbortHandler for a connection that broke.
//
// History and responses are kept for ever: some kilobytes for each write and answer.
package hostile
