//go:build race

package sim

// slower is by how much fewer cases are tried under the race detector.
const slower = 10
