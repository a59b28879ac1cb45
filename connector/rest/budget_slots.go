package rest

import "time"

// slots sum up what was spent in the last minute, by second. What is of a second that has
// only begun to be older than a minute still counts.
type slots struct {
	points [61]float64
	second int64 // of the newest slot
	total  float64
}

// sum returns what was spent in the minute before now.
func (s *slots) sum(now time.Duration) float64 {
	second := int64(now / time.Second)
	if second-s.second >= int64(len(s.points)) {
		*s = slots{second: second}
	}
	for ; s.second < second; s.second++ {
		at := &s.points[(s.second+1)%int64(len(s.points))]
		s.total -= *at
		*at = 0
	}
	return max(0, s.total)
}

func (s *slots) add(now time.Duration, points float64) {
	s.sum(now)
	s.points[s.second%int64(len(s.points))] += points
	s.total += points
}
