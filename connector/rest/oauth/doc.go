// Package oauth keeps the access token of one source: it gets one by client credentials
// or by a refresh token, renews it in time, and puts it on requests.
//
// # Refresh tokens that rotate
//
// Many servers give a new refresh token with each answer and take the old one no more
// (RFC 6749 section 6). Some take every token of the family back when an old one is used
// again (RFC 9700 section 4.14). So a refresh token is sent once, by one process, and
// what comes back is kept before it is used:
//
//		intent ──► committed ──► token endpoint ──► answer ──► committed ──► used
//		              │  within its duration, or not at all │
//		              └── whoever starts meanwhile waits ───┘
//
//	 1. Commit the intent. That fails for a process that has lost its place to another,
//	    and from then on whoever starts waits for as long as the intent lasts.
//	 2. Send the refresh token within that time, counted from before the commit by the
//	    monotonic clock, or not at all: a process that was frozen in between sends nothing.
//	 3. Commit the answer at once, and use it then. It stays in memory until that is known
//	    to have succeeded, over any number of lives of the store.
//
// One window cannot be closed by anybody: the process dies after the server took the old
// token and before the new one is committed. The next one knows by the intent. It sends
// the old token again, which servers with a grace period take, lives on the access token
// for as long as it lasts, and says what happened.
//
// A server that answers 5xx, or nothing, may have taken the token or not: it is sent
// again, soon, for there is nothing better to do.
package oauth
