//go:build unix

package child

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// given are the ports that this process has been given: a server may not listen on its own
// yet when the next one is looked for, or be down for a moment.
var given = struct {
	sync.Mutex
	ports map[int]bool
}{ports: map[int]bool{}}

// FreePorts returns n ports of the loopback on which nothing listens, and which it has
// returned to nobody before.
//
// They lie below the range from which systems take the ports of outgoing connections.
// Inside it, while a server is down, its port may become that of some connection, and a
// client that dials it again and again ends up connected to itself.
func FreePorts(n int) ([]int, error) {
	const low, high = 20000, 32000
	given.Lock()
	defer given.Unlock()
	var found []int
	for try := 0; len(found) < n; try++ {
		if try == 1000*n {
			return nil, fmt.Errorf("no free port from %d to %d", low, high)
		}
		p := low + rand.IntN(high-low)
		if given.ports[p] {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err != nil {
			continue
		}
		// Held until all are found, or two of them could be the same.
		defer l.Close()
		found = append(found, p)
		given.ports[p] = true
	}
	return found, nil
}
