//go:build unix

package child

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// FreePorts returns n ports of the loopback on which nothing listens.
//
// They lie below the range from which systems take the ports of outgoing connections.
// Inside it, while a server is down, its port may become that of some connection, and a
// client that dials it again and again ends up connected to itself.
func FreePorts(n int) ([]int, error) {
	const low, high = 20000, 32000
	var found []int
	for try := 0; len(found) < n; try++ {
		if try == 1000*n {
			return nil, fmt.Errorf("no free port from %d to %d", low, high)
		}
		p := low + rand.IntN(high-low)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err != nil {
			continue
		}
		// Held until all are found, or two of them could be the same.
		defer l.Close()
		found = append(found, p)
	}
	return found, nil
}
