// Package tokenserver is an OAuth2 authorization server for tests, in process: it rotates
// refresh tokens, with a grace period or by taking the whole family back when one is used
// again, and does to its clients what real ones do: it loses its answers after it has
// acted on them, fails, is slow, answers rubbish, points elsewhere. It remembers every
// token that it gave, so that a test can look for them where they must not be.
//
//	srv, err := tokenserver.Start(tokenserver.Config{Life: 10 * time.Second, Grace: time.Minute})
//	if err != nil { … }
//	defer srv.Close()
//	… hostile.Start(hostile.Config{Authorize: srv.Server.Valid, …})
//	… token_url: srv.URL + "/token", refresh_token: srv.Server.Seed() …
//	if err := srv.Server.Kept(); err != nil { … } // the account was not lost
//
// In a synctest bubble it lives in virtual time; use it there as an http.Handler.
package tokenserver
